"""suds: its factory makes the WSDL's types; the fault's detail is an object of them."""

import sys

import suds
import suds.client
import suds.transport.http

wsdl, user, password, application, _version = sys.argv[1:]
transport = suds.transport.http.HttpAuthenticated(username=user, password=password)
client = suds.client.Client(wsdl, transport=transport, cache=None)


def reference(value, kind):
    reference = client.factory.create("ReferenceType")
    identity = client.factory.create("IDType")
    identity.value, identity._type = value, kind
    reference.ID = [identity]
    return reference


def send(application):
    change = client.factory.create("JobApplicationEventType")
    change.Job_Application_ID = application
    change.Candidate_Reference = reference("W12345", "Candidate_ID")
    change.Requisition_Reference = reference("REQ678", "Requisition_ID")
    change.Stage, change.Step, change.Current_Status = "Interview", "Phone Screen", "Screening"
    change.Event_Timestamp = "2026-04-09T14:30:00Z"
    return client.service.TriggerCandidateStateChange(change)


answer = send(application)
print("answer", answer.Event_ID, answer.Event_Type, answer.Outcome)
try:
    send("")
except suds.WebFault as fault:
    detail = fault.fault.detail.Fault_Detail
    print("fault", detail.Code, detail.Message)
