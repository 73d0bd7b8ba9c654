"""What can be done: one verb a file. Each translates and checks first, then writes once.

What may never happen here: SQL, HTTP, a call to another server, an acknowledgement before the commit.
"""
