"""A FHIR server in memory that misbehaves on purpose, to prove what synchronising promises against one's own settings.

    kinds         what faults there are, with their parameters
    scenario      the faults of a FILE, checked
    turns         which request is told which fault
    state         what the server holds: every version, and what a search shows
    query         what a search asks for
    interactions  a right answer to each request
    bundles       batch and transaction
    export        the bulk export
    statement     what the server says it can do
    telling       what a fault makes of a request and its answer
    ledger        what was asked and told, the ground truth
    server        the whole, over HTTP

It is a witness: it takes nothing from ``store``, ``sync`` or ``actions``, so that it cannot share their errors.
"""
