"""The web service: routes translate a request, delegate to one action, and turn its result into a reply.

What never happens here: SQL, mapping, network calls of our own; a value of the input in an error, a log or a metric.
"""
