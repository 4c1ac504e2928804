import java.util.Calendar;
import java.util.TimeZone;
import stub.*;

/** Axis 1.4: stubs made by WSDL2Java; the declared fault is an exception. */
public class Axis {
    public static void main(String[] args) throws Exception {
        CandidateStateSoap11Stub port =
            (CandidateStateSoap11Stub) new CandidateStateServiceLocator().getCandidateStateSoap11Port();
        port.setUsername(args[1]);
        port.setPassword(args[2]);
        TriggerCandidateStateChange_ResponseType answer = port.triggerCandidateStateChange(request(args[3]));
        System.out.println("answer " + answer.getEvent_ID() + " " + answer.getEvent_Type() + " "
            + answer.getOutcome());
        try {
            port.triggerCandidateStateChange(request(""));
        } catch (Fault_DetailType fault) {
            System.out.println("fault " + fault.getCode() + " " + fault.getMessage1());
        }
    }

    private static TriggerCandidateStateChange_RequestType request(String application) {
        Calendar timestamp = Calendar.getInstance(TimeZone.getTimeZone("UTC"));
        timestamp.setTimeInMillis(1775745000000L); // 2026-04-09T14:30:00Z
        JobApplicationEventType change = new JobApplicationEventType();
        change.setJob_Application_ID(application);
        change.setCandidate_Reference(reference("W12345", "Candidate_ID"));
        change.setRequisition_Reference(reference("REQ678", "Requisition_ID"));
        change.setStage("Interview");
        change.setStep("Phone Screen");
        change.setCurrent_Status("Screening");
        change.setEvent_Timestamp(timestamp);
        return new TriggerCandidateStateChange_RequestType(change);
    }

    private static IDType[] reference(String value, String type) {
        IDType id = new IDType(value);
        id.setType(type);
        return new IDType[] {id};
    }
}
