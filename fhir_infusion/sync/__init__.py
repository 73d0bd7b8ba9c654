"""Keeping other FHIR servers in step: push through the outbox, pull by watermark.

What may never happen here:

- sending before the attempt is on disk, or repeating a request whose effect is not known (verify first);
- picking one of two matches; sending to, or taking a reference from, another origin than the configured one;
- creating again what a peer has deleted; overwriting a peer's newer change;
- moving a watermark past what is not stored.

Files: ``remote`` is the only one that speaks HTTP; ``replies``, ``retry``, ``compare``, ``conflicts`` and
``references`` are pure; ``push`` and ``pull`` are the two directions, ``worker`` runs them, ``resolve`` is a person's
decision.
"""
