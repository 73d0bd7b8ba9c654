"""The FHIR standard: exact JSON, the structure of the releases, validation, search, Bundles, outcomes.

Pure: no clock, no ids, no files, no network. What a mapping is, nothing here knows.
"""
