"""``python -m fhir_infusion``: the command line."""

from fhir_infusion.cli import main

main()
