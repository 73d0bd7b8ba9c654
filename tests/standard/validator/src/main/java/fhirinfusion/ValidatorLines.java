package fhirinfusion;

import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.SingleValidationMessage;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.PrePopulatedValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.SnapshotGeneratingValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.UnknownCodeSystemWarningValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;
import org.hl7.fhir.r5.utils.validation.constants.BestPracticeWarningLevel;

/**
 * HL7's validator as a line filter: one resource per line in, one JSON array of findings per line out.
 *
 * <pre>ValidatorLines R4|R5 DIRECTORY...</pre>
 *
 * The directories hold StructureDefinitions, ValueSets and CodeSystems as JSON; what lies in a folder named r4 or r5
 * is for that release only. A line begins with "known " (an extension without a definition is an error) or "any "
 * (it is accepted), then the resource. The first line out is {"ready": number of definitions}. Nothing is fetched:
 * the definitions of FHIR come from jars, a code of a system that is not there (SNOMED CT, RxNorm, ATC ...) is a
 * warning, UCUM is checked by its own grammar.
 */
public final class ValidatorLines {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Set<String> DEFINITIONS = Set.of("StructureDefinition", "ValueSet", "CodeSystem");

  private ValidatorLines() {}

  public static void main(String[] args) throws IOException {
    PrintStream answers = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    System.setOut(System.err); // a library that prints must not break the protocol
    boolean r5 = args[0].equals("R5");
    FhirContext context = r5 ? FhirContext.forR5() : FhirContext.forR4();
    PrePopulatedValidationSupport ours = new PrePopulatedValidationSupport(context);
    int loaded = 0;
    for (int i = 1; i < args.length; i++) {
      loaded += load(ours, context, Path.of(args[i]), r5);
    }
    IValidationSupport chain = chain(context, ours);
    FhirValidator knownOnly = validator(context, chain, false);
    FhirValidator anyExtension = validator(context, chain, true);
    answers.println("{\"ready\": " + loaded + "}");
    answers.flush();
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line; (line = lines.readLine()) != null; ) {
      boolean any = line.startsWith("any ");
      String resource = line.substring(any ? "any ".length() : "known ".length());
      answers.println(findings(any ? anyExtension : knownOnly, resource));
      answers.flush();
    }
  }

  private static IValidationSupport chain(FhirContext context, PrePopulatedValidationSupport ours) {
    UnknownCodeSystemWarningValidationSupport unknown = new UnknownCodeSystemWarningValidationSupport(context);
    unknown.setNonExistentCodeSystemSeverity(IValidationSupport.IssueSeverity.WARNING);
    // Ours first: R5 comes with extensions pack 1.0.0, which has the content of another extension under
    // dosage-minimumGapBetweenDose; later packs have a Duration there, as our stand-in.
    return new ValidationSupportChain(
        ours,
        new DefaultProfileValidationSupport(context),
        new CommonCodeSystemsTerminologyService(context),
        new InMemoryTerminologyServerValidationSupport(context),
        new SnapshotGeneratingValidationSupport(context),
        unknown);
  }

  private static FhirValidator validator(FhirContext context, IValidationSupport chain, boolean anyExtension) {
    FhirInstanceValidator instance = new FhirInstanceValidator(chain);
    instance.setAnyExtensionsAllowed(anyExtension);
    instance.setErrorForUnknownProfiles(!anyExtension);
    instance.setBestPracticeWarningLevel(BestPracticeWarningLevel.Ignore);
    return context.newValidator().registerValidatorModule(instance);
  }

  private static int load(PrePopulatedValidationSupport into, FhirContext context, Path directory, boolean r5)
      throws IOException {
    List<Path> files;
    try (Stream<Path> all = Files.walk(directory)) {
      files = all.filter(file -> file.toString().endsWith(".json")).sorted().toList();
    }
    int loaded = 0;
    for (Path file : files) {
      String folder = file.getParent().getFileName().toString();
      JsonNode document = JSON.readTree(Files.readString(file));
      boolean otherRelease = folder.equals(r5 ? "r4" : "r5");
      if (otherRelease || !DEFINITIONS.contains(document.path("resourceType").asText())) {
        continue;
      }
      if (document.has("fhirVersion")) {
        // One definition serves both releases; the validator wants it to name the one at hand.
        ((ObjectNode) document).put("fhirVersion", r5 ? "5.0.0" : "4.0.1");
      }
      try {
        into.addResource(context.newJsonParser().parseResource(JSON.writeValueAsString(document)));
      } catch (RuntimeException e) {
        throw new IOException(file + ": " + e.getMessage(), e);
      }
      loaded++;
    }
    return loaded;
  }

  private static String findings(FhirValidator validator, String resource) throws IOException {
    List<SingleValidationMessage> messages = new ArrayList<>();
    ArrayNode out = JSON.createArrayNode();
    try {
      messages = validator.validateWithResult(resource).getMessages();
    } catch (RuntimeException e) {
      // A resource that the parser itself refuses is a finding about this line, not the end of the filter.
      out.addObject().put("severity", "fatal").put("path", "").put("id", "parser").put("message", e.getMessage());
    }
    for (SingleValidationMessage message : messages) {
      out.addObject()
          .put("severity", message.getSeverity().getCode())
          .put("path", message.getLocationString())
          .put("id", message.getMessageId())
          .put("message", message.getMessage());
    }
    return JSON.writeValueAsString(out);
  }
}
