import java.net.URL;
import javax.xml.datatype.DatatypeFactory;
import javax.xml.ws.BindingProvider;
import stub.*;

/** JAX-WS: proxy and classes made by wsimport; the declared fault is a checked exception. */
public class JaxWs {
    public static void main(String[] args) throws Exception {
        CandidateStateService service = new CandidateStateService(new URL(args[0]));
        CandidateStatePort port =
            args[4].equals("1.2") ? service.getCandidateStateSoap12Port() : service.getCandidateStateSoap11Port();
        BindingProvider provider = (BindingProvider) port;
        provider.getRequestContext().put(BindingProvider.USERNAME_PROPERTY, args[1]);
        provider.getRequestContext().put(BindingProvider.PASSWORD_PROPERTY, args[2]);
        TriggerCandidateStateChangeResponseType answer = port.triggerCandidateStateChange(request(args[3]));
        System.out.println("answer " + answer.getEventID() + " " + answer.getEventType().value() + " "
            + answer.getOutcome().value());
        try {
            port.triggerCandidateStateChange(request(""));
        } catch (FaultDetail fault) {
            FaultDetailType detail = fault.getFaultInfo();
            System.out.println("fault " + detail.getCode() + " " + detail.getMessage());
        }
    }

    private static TriggerCandidateStateChangeRequestType request(String application) throws Exception {
        JobApplicationEventType change = new JobApplicationEventType();
        change.setJobApplicationID(application);
        change.setCandidateReference(reference("W12345", "Candidate_ID"));
        change.setRequisitionReference(reference("REQ678", "Requisition_ID"));
        change.setStage("Interview");
        change.setStep("Phone Screen");
        change.setCurrentStatus("Screening");
        change.setEventTimestamp(DatatypeFactory.newInstance().newXMLGregorianCalendar("2026-04-09T14:30:00Z"));
        TriggerCandidateStateChangeRequestType request = new TriggerCandidateStateChangeRequestType();
        request.setJobApplication(change);
        return request;
    }

    private static ReferenceType reference(String value, String type) {
        IDType id = new IDType();
        id.setValue(value);
        id.setType(type);
        ReferenceType reference = new ReferenceType();
        reference.getID().add(id);
        return reference;
    }
}
