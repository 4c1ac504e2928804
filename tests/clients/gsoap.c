/* gSOAP: stubs and types made by wsdl2h and soapcpp2; the fault's detail is a C structure. */
#include "soapH.h"
#include SOAP_NSMAP

static int send_change(struct soap *soap, char **argv, char *application,
                       struct ns1__TriggerCandidateStateChange_USCOREResponseType *answer) {
    struct ns1__IDType candidate = {"W12345", "Candidate_ID"}, requisition = {"REQ678", "Requisition_ID"};
    struct ns1__ReferenceType candidate_reference = {1, &candidate}, requisition_reference = {1, &requisition};
    time_t timestamp = 1775745000; /* 2026-04-09T14:30:00Z */
    struct ns1__JobApplicationEventType change = {
        .Job_USCOREApplication_USCOREID = application,
        .Candidate_USCOREReference = &candidate_reference,
        .Requisition_USCOREReference = &requisition_reference,
        .Stage = "Interview",
        .Step = "Phone Screen",
        .Current_USCOREStatus = "Screening",
        .Event_USCORETimestamp = &timestamp,
    };
    struct ns1__TriggerCandidateStateChange_USCORERequestType request = {&change};
    soap->userid = argv[2];
    soap->passwd = argv[3];
    return soap_call___ns1__TriggerCandidateStateChange(soap, NULL, NULL, &request, answer);
}

int main(int argc, char **argv) {
    (void)argc;
    struct soap *soap = soap_new1(SOAP_XML_STRICT);
    struct ns1__TriggerCandidateStateChange_USCOREResponseType answer;
    if (send_change(soap, argv, argv[4], &answer) != SOAP_OK) {
        soap_print_fault(soap, stderr);
        return 1;
    }
    printf("answer %s %s %s\n", answer.Event_USCOREID,
           soap_ns1__DecidedEventTypeType2s(soap, answer.Event_USCOREType),
           soap_ns1__OutcomeType2s(soap, answer.Outcome));
    if (send_change(soap, argv, "", &answer) == SOAP_OK || soap->fault == NULL)
        return 1;
    struct SOAP_ENV__Detail *detail = soap->version == 2 ? soap->fault->SOAP_ENV__Detail : soap->fault->detail;
    struct ns1__Fault_USCOREDetailType *fault = detail ? detail->ns1__Fault_USCOREDetail : NULL;
    if (fault == NULL)
        return 1;
    printf("fault %s %s\n", fault->Code, fault->Message);
    return 0;
}
