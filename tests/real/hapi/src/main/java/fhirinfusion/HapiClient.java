package fhirinfusion;

import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.rest.client.api.IGenericClient;
import ca.uhn.fhir.rest.server.exceptions.PreconditionFailedException;
import ca.uhn.fhir.rest.server.exceptions.ResourceGoneException;
import ca.uhn.fhir.rest.api.MethodOutcome;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import org.hl7.fhir.r4.model.Bundle;
import org.hl7.fhir.r4.model.CapabilityStatement;
import org.hl7.fhir.r4.model.CodeableConcept;
import org.hl7.fhir.r4.model.IdType;
import org.hl7.fhir.r4.model.Medication;
import org.hl7.fhir.r4.model.MedicationAdministration;
import org.hl7.fhir.r4.model.MedicationRequest;
import org.hl7.fhir.r4.model.Patient;
import org.hl7.fhir.r4.model.Quantity;
import org.hl7.fhir.r4.model.Reference;

/** HAPI's own client as an EHR would use it; prints one line for each thing that it saw. Argument: the base address. */
public final class HapiClient {
  private static final String ORDERS = "https://example.org/orders";
  private static final String UCUM = "http://unitsofmeasure.org";

  private HapiClient() {}

  public static void main(String[] arguments) {
    FhirContext context = FhirContext.forR4();
    context.getRestfulClientFactory().setSocketTimeout(60_000);
    IGenericClient client = context.newRestfulGenericClient(arguments[0]);

    CapabilityStatement statement = client.capabilities().ofType(CapabilityStatement.class).execute();
    say("metadata", statement.getFhirVersion().toCode());

    Patient patient = new Patient();
    patient.addIdentifier().setSystem("urn:mrn").setValue("hapi|1");
    List<String> ids = new ArrayList<>();
    for (int round = 0; round < 2; round++) {
      MethodOutcome made = client.create().resource(patient).conditional()
          .where(Patient.IDENTIFIER.exactly().systemAndIdentifier("urn:mrn", "hapi|1")).execute();
      ids.add(made.getId().getIdPart());
    }
    say("conditional create twice", ids.get(0).equals(ids.get(1)) ? "one patient" : "two patients");
    MethodOutcome byUrl = client.create().resource(patient)
        .conditionalByUrl("Patient?identifier=urn:mrn%7Chapi%5C%7C1").execute();
    say("conditional create by url", byUrl.getId().getIdPart().equals(ids.get(0)) ? "one patient" : "two patients");

    Bundle transaction = new Bundle();
    transaction.setType(Bundle.BundleType.TRANSACTION);
    Medication drug = new Medication();
    drug.setCode(new CodeableConcept().setText("dobutamine 250 mg in 250 mL"));
    entry(transaction, "urn:uuid:0a0a0a0a-0000-4000-8000-000000000001", drug, "Medication");
    for (int number = 0; number < 5; number++) {
      MedicationRequest order = order(number, ids.get(0));
      order.setMedication(new Reference("urn:uuid:0a0a0a0a-0000-4000-8000-000000000001"));
      entry(transaction, "urn:uuid:0a0a0a0a-0000-4000-8000-00000000010" + number, order, "MedicationRequest");
    }
    Bundle answer = client.transaction().withBundle(transaction).execute();
    say("transaction", answer.getEntry().size() + " entries, the first " + answer.getEntryFirstRep().getResponse().getStatus());

    List<String> found = new ArrayList<>();
    Bundle page = client.search().forResource(MedicationRequest.class)
        .where(MedicationRequest.PATIENT.hasId("Patient/" + ids.get(0))).count(2).returnBundle(Bundle.class).execute();
    int pages = 1;
    while (true) {
      page.getEntry().forEach(one -> found.add(one.getResource().getIdElement().getIdPart()));
      if (page.getLink(Bundle.LINK_NEXT) == null) {
        break;
      }
      page = client.loadPage().next(page).execute();
      pages++;
    }
    say("search with paging", found.stream().distinct().count() + " orders on " + pages + " pages");
    Bundle included = client.search().forResource(MedicationRequest.class)
        .where(MedicationRequest.IDENTIFIER.exactly().systemAndIdentifier(ORDERS, "hapi-0"))
        .include(MedicationRequest.INCLUDE_MEDICATION).include(MedicationRequest.INCLUDE_PATIENT)
        .returnBundle(Bundle.class).execute();
    say("search with includes", included.getEntry().size() + " entries");

    MedicationRequest read = client.read().resource(MedicationRequest.class).withId(found.get(0)).execute();
    say("dose", read.getDosageInstructionFirstRep().getDoseAndRateFirstRep().getDoseQuantity().getValue().toPlainString());
    read.setPriority(MedicationRequest.MedicationRequestPriority.URGENT);
    IdType first = read.getIdElement();
    MethodOutcome updated = client.update().resource(read).execute();
    say("update with its version", updated.getId().getVersionIdPart());
    try {
      read.setId(first);
      client.update().resource(read).execute();
      say("stale update", "taken");
    } catch (PreconditionFailedException refused) {
      say("stale update", "412");
    }
    Bundle history = client.history().onInstance(new IdType("MedicationRequest", found.get(0)))
        .returnBundle(Bundle.class).execute();
    say("history", history.getEntry().size() + " versions");

    MedicationAdministration given = new MedicationAdministration();
    given.setStatus(MedicationAdministration.MedicationAdministrationStatus.COMPLETED);
    given.setMedication(new CodeableConcept().setText("dobutamine"));
    given.setSubject(new Reference("Patient/" + ids.get(0)));
    given.setRequest(new Reference("MedicationRequest/" + found.get(1)));
    given.setEffective(new org.hl7.fhir.r4.model.DateTimeType("2026-01-02T10:00:00Z"));
    given.getDosage().setDose(quantity("2.50", "mg"));
    IdType givenId = (IdType) client.create().resource(given).execute().getId();
    MedicationAdministration back = client.read().resource(MedicationAdministration.class).withId(givenId.getIdPart()).execute();
    say("administration", back.getDosage().getDose().getValue().toPlainString());
    back.setStatus(MedicationAdministration.MedicationAdministrationStatus.ENTEREDINERROR);
    client.update().resource(back).execute();
    client.delete().resourceById("MedicationAdministration", givenId.getIdPart()).execute();
    try {
      client.read().resource(MedicationAdministration.class).withId(givenId.getIdPart()).execute();
      say("read after delete", "found");
    } catch (ResourceGoneException gone) {
      say("read after delete", "410");
    }
  }

  private static MedicationRequest order(int number, String patient) {
    MedicationRequest order = new MedicationRequest();
    order.addIdentifier().setSystem(ORDERS).setValue("hapi-" + number);
    order.setStatus(MedicationRequest.MedicationRequestStatus.ACTIVE);
    order.setIntent(MedicationRequest.MedicationRequestIntent.ORDER);
    order.setSubject(new Reference("Patient/" + patient));
    order.addDosageInstruction().addDoseAndRate().setDose(quantity("1.50", "mg"));
    return order;
  }

  private static Quantity quantity(String value, String unit) {
    return new Quantity().setValue(new BigDecimal(value)).setUnit(unit).setSystem(UCUM).setCode(unit);
  }

  private static void entry(Bundle bundle, String url, org.hl7.fhir.r4.model.Resource resource, String type) {
    bundle.addEntry().setFullUrl(url).setResource(resource).getRequest().setMethod(Bundle.HTTPVerb.POST).setUrl(type);
  }

  private static void say(String what, String seen) {
    System.out.println(what + ": " + seen);
  }
}
