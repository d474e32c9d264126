// A device made of dcmjs-dimse: echo, worklist, performed step, objects, storage commitment.
// node dcmjs_device.js MODULES RDC_PORT OUR_PORT TITLE STUDY_UID FILE...
// Prints one JSON line for each answer and for the report.
const [modules, port, ours, title, study, ...files] = process.argv.slice(2);
const { Client, Dataset, Scp, Server, constants, requests, responses } =
  require(`${modules}/dcmjs-dimse`);
const { PresentationContextResult, Status } = constants;
const MPPS = '1.2.840.10008.3.1.2.3.3';
const COMMITMENT = '1.2.840.10008.1.20.1';
const COMMITMENT_INSTANCE = '1.2.840.10008.1.20.1.1';
const CT = '1.2.840.10008.5.1.4.1.1.2';
const say = (what) => console.log(JSON.stringify(what));

// The report may come on the association that asked, or on a new one.
function report(request, callback) {
  const d = request.getDataset();
  const list = (name) => [].concat(d.getElement(name) || []).map((x) => x.ReferencedSOPInstanceUID);
  say({ event: request.getEventTypeId(), transaction: d.getElement('TransactionUID'),
        committed: list('ReferencedSOPSequence'), failed: list('FailedSOPSequence') });
  const response = responses.NEventReportResponse.fromRequest(request);
  response.setStatus(Status.Success);
  callback(response);
  reported = true;
  end();
}

let reported = false;
let acted = false;
// Once both are done, with a moment for the response to leave.
function end() {
  if (reported && acted) setTimeout(() => process.exit(0), 500);
}

class Device extends Scp {
  associationRequested(a) {
    a.getPresentationContexts().forEach(({ id }) => {
      const context = a.getPresentationContext(id);
      context.setResult(PresentationContextResult.Accept, context.getTransferSyntaxUids()[0]);
    });
    this.sendAssociationAccept();
  }
  nEventReportRequest(request, callback) {
    report(request, callback);
  }
  associationReleaseRequested() {
    this.sendAssociationReleaseResponse();
  }
}

// Requests on an association of their own; their statuses.
function send(...all) {
  return new Promise((resolve, reject) => {
    const client = new Client();
    const statuses = [];
    all.forEach((request) => {
      request.on('response', (response) => statuses.push(response.getStatus()));
      client.addRequest(request);
    });
    client.on('associationRejected', (r) => reject(new Error(JSON.stringify(r))));
    client.on('networkError', reject);
    client.on('nEventReportRequest', report);
    client.on('closed', () => resolve(statuses));
    client.send('127.0.0.1', Number(port), title, 'RDC');
  });
}

const withData = (request, data) => { request.setDataset(new Dataset(data)); return request; };

async function main() {
  const server = new Server(Device);
  server.listen(Number(ours));
  const step = Dataset.generateDerivedUid();
  const images = files.map((f) => new requests.CStoreRequest(f));
  const references = images.map((r) => ({ ReferencedSOPClassUID: CT,
    ReferencedSOPInstanceUID: r.getDataset().getElement('SOPInstanceUID') }));
  say({ echo: await send(new requests.CEchoRequest()) });
  const query = requests.CFindRequest.createWorklistFindRequest({ PatientID: 'J-1', PatientName: '', StudyInstanceUID: '' });
  const names = [];
  query.on('response', (r) => {
    if (r.getStatus() === Status.Pending) names.push(r.getDataset().getElement('PatientName'));
  });
  say({ find: await send(query), names });
  say({ create: await send(withData(new requests.NCreateRequest(MPPS, step), {
    Modality: 'CT', PerformedStationAETitle: title, PerformedProcedureStepStartDate: '20260131',
    PerformedProcedureStepStartTime: '120000', PerformedProcedureStepStatus: 'IN PROGRESS',
    PerformedProcedureStepID: 'P1', ScheduledStepAttributesSequence: [{ StudyInstanceUID: study }] })) });
  say({ store: await send(...images) });
  say({ set: await send(withData(new requests.NSetRequest(MPPS, step), {
    PerformedProcedureStepStatus: 'COMPLETED', PerformedProcedureStepEndDate: '20260131',
    PerformedProcedureStepEndTime: '120100', PerformedSeriesSequence: [{ SeriesInstanceUID: '1.2.3',
      ProtocolName: 'P', ReferencedImageSequence: references }] })) });
  say({ action: await send(withData(new requests.NActionRequest(COMMITMENT, COMMITMENT_INSTANCE, 1), {
    TransactionUID: step, ReferencedSOPSequence: references })) });
  acted = true;
  end();
}
main().catch((e) => { say({ error: e.message }); process.exit(1); });
