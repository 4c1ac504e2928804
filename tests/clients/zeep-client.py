"""zeep: typed by the schema that the WSDL holds; the fault's detail is parsed as its declared type."""

import datetime
import sys

import requests
import zeep
import zeep.exceptions
import zeep.transports

wsdl, user, password, application, version = sys.argv[1:]
session = requests.Session()
session.auth = (user, password)
client = zeep.Client(wsdl, transport=zeep.transports.Transport(session=session))
call = client.bind("CandidateStateService", f"CandidateStateSoap{version.replace('.', '')}Port").TriggerCandidateStateChange


def send(application):
    return call(
        Job_Application={
            "Job_Application_ID": application,
            "Candidate_Reference": {"ID": [{"_value_1": "W12345", "type": "Candidate_ID"}]},
            "Requisition_Reference": {"ID": [{"_value_1": "REQ678", "type": "Requisition_ID"}]},
            "Stage": "Interview",
            "Step": "Phone Screen",
            "Current_Status": "Screening",
            "Event_Timestamp": datetime.datetime(2026, 4, 9, 14, 30, tzinfo=datetime.timezone.utc),
        }
    )


answer = send(application)
print("answer", answer.Event_ID, answer.Event_Type, answer.Outcome)
try:
    send("")
except zeep.exceptions.Fault as fault:
    element = fault.detail[0]
    detail = client.get_element(element.tag).parse(element, client.wsdl.types)
    print("fault", detail.Code, detail.Message)
