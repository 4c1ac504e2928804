<?php
// PHP's SoapClient: the WSDL's operation as a method; a SoapFault's detail is an object of its type.
[, $wsdl, $user, $password, $application, $version] = $argv;
$client = new SoapClient($wsdl, [
    'login' => $user,
    'password' => $password,
    'soap_version' => $version === '1.2' ? SOAP_1_2 : SOAP_1_1,
    'cache_wsdl' => WSDL_CACHE_NONE,
    'features' => SOAP_SINGLE_ELEMENT_ARRAYS,
]);

function send($client, $application)
{
    return $client->TriggerCandidateStateChange(['Job_Application' => [
        'Job_Application_ID' => $application,
        'Candidate_Reference' => ['ID' => [['_' => 'W12345', 'type' => 'Candidate_ID']]],
        'Requisition_Reference' => ['ID' => [['_' => 'REQ678', 'type' => 'Requisition_ID']]],
        'Stage' => 'Interview',
        'Step' => 'Phone Screen',
        'Current_Status' => 'Screening',
        'Event_Timestamp' => '2026-04-09T14:30:00Z',
    ]]);
}

$answer = send($client, $application);
echo "answer $answer->Event_ID $answer->Event_Type $answer->Outcome\n";
try {
    send($client, '');
} catch (SoapFault $fault) {
    $detail = $fault->detail->Fault_Detail;
    echo "fault $detail->Code $detail->Message\n";
}
