"""How meaning becomes FHIR and back: one table of pairs per resource type, both directions, proven before it is used.

    document, paths, aliases          reading the YAML documents, with file:line of everything
    types, fits, fragments, trees     checking each path, type and table on both sides
    build, completeness, plan         the plan: every pair resolved, as two trees over the same leaves
    code_tables, concept_maps         code tables both ways, and as ConceptMaps for others
    library                           all documents, releases and overlays
    interpret_read, interpret_write   the plan walked step by step: the oracle, the source of messages and the ledger
    reading, criteria, putback        what both directions share: state, slices, residue back in its place
    compile*, source, runtime         the plan as straight-line Python, equal to the interpreter and quick
    lens, texts, residue, trace       what a caller uses, and what becomes of text, of the unmapped and of each element
    laws, inspect                     proving documents, and asking them

Nothing here reads a clock, a file or the network, mints an id, or imports ``fhir_infusion.fhir``.
"""
