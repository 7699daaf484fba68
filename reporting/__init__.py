"""Tables, charts, pages and times in the output of commands.

Rich draws tables in a terminal, matplotlib draws charts as SVG, humanize writes
numbers and durations. The package never ships.
"""
