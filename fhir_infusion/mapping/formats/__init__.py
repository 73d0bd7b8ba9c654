"""A site's own JSON: a format document reads it into records and writes it back, without Python.

    names, values, times       member names as path names; how a site spells numbers, flags, dates and times
    shape                      the members of the site's JSON, and the typed tree that the mapping engine works on
    columns                    members of one object that are elements of a list
    joining                    one text in several members, such as a family and a given name
    keeping, beside            what no pair takes, and while what it goes back
    packing                    rows by position, texts of several parts, lone elements
    groups                     several records in one object, and rows that are one administration
    undoing                    rows that void or correct others, or cancel the whole
    ordering                   the rows of a feed by their moments, those that come late too
    document                   reading a format document, with file:line of everything
    places                     constants, and what a format has no place for
    format                     what a caller uses
    wording                    refusals and lines of the engine in the words of a format
    draft, draft_feed          a first draft of a format, from samples; of a feed
    draft_values               how values are most likely spelled
    wrong_codes                codes of a format that can never be right
    crossed                    pairs and codes that look crossed
    doubts                     what an engineer is told of a format that is used all the same
    laws                       proving a format from its samples and variations of them

The engine of the FHIR mappings does the work in between: to it the typed tree is a resource of one more release.
"""
