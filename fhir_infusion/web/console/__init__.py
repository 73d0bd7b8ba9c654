"""The console: for those who operate the service, and decide what waits for a person.

Each page shows what a command of ``fhir-infusion sync`` shows, by the same function; each form does what a command
does, by the same function. Nothing is decided here. Whatever shows content is for operators, and audited as a read.

Files: ``common`` is what the pages share, ``words`` how numbers and codes are said; the others are a page or two each,
with their templates.
"""
