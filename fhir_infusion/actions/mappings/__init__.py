"""What an engineer does with mapping documents, for the command line and the service alike: no click, no Flask."""
