"""Pages for people, beside the JSON. Loaded only where `BROWSABLE_API` is on: no player ever sees one."""
