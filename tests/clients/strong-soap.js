// strong-soap: the WSDL's operation as a method of the client; the fault's detail is an object.
const { soap } = require('strong-soap');

const [wsdl, user, password, application, version] = process.argv.slice(2);
const request = (id) => ({
  TriggerCandidateStateChange_Request: {
    Job_Application: {
      Job_Application_ID: id,
      Candidate_Reference: { ID: [{ $attributes: { type: 'Candidate_ID' }, $value: 'W12345' }] },
      Requisition_Reference: { ID: [{ $attributes: { type: 'Requisition_ID' }, $value: 'REQ678' }] },
      Stage: 'Interview',
      Step: 'Phone Screen',
      Current_Status: 'Screening',
      Event_Timestamp: '2026-04-09T14:30:00Z',
    },
  },
});

soap.createClient(wsdl, { forceSoap12Headers: version === '1.2' }, (failed, client) => {
  if (failed) throw failed;
  client.setSecurity(new soap.BasicAuthSecurity(user, password));
  client.TriggerCandidateStateChange(request(application), (error, answer) => {
    if (error) throw error;
    console.log('answer', answer.Event_ID, answer.Event_Type, answer.Outcome);
    client.TriggerCandidateStateChange(request(''), (error) => {
      const fault = error.root.Envelope.Body.Fault;
      const detail = (fault.detail || fault.Detail).Fault_Detail;
      console.log('fault', detail.Code, detail.Message);
    });
  });
});
