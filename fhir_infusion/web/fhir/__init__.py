"""The FHIR interface, one interaction a file (https://hl7.org/fhir/http.html). The path decides the release."""
