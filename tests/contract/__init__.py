"""The public contract as an independent model, and the service held to it.

catalogue, model   which answers the documentation allows, and the state after each
world              the service in this process: a virtual clock, a real engine,
                   faults at single tries
order              whether one order of the calls explains every answer
pairs, scenes,
deeds              each verb inside each other verb, at each call to the engine
programs           random sequences of calls with faults, for Hypothesis
run                all of it for as long as the operator wants
"""
