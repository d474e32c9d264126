// A sender made of node-hl7-client: a batch of orders, and what it makes of the answer.
// node node_hl7_batch.js MODULES PORT FILE, which has the messages as a JSON array.
// Prints one JSON line for each acknowledgement.
const [modules, port, file] = process.argv.slice(2);
const { Batch, Client, Message } = require(`${modules}/node-hl7-client`);
const messages = JSON.parse(require('fs').readFileSync(file, 'utf-8'));
let left = messages.length;

const client = new Client({ host: '127.0.0.1' });
const connection = client.createConnection({ port: +port, waitAck: true }, (answer) => {
  const ack = answer.getMessage();
  console.log(JSON.stringify([ack.get('MSA.1').toString(), ack.get('MSA.2').toString()]));
  if (--left === 0) process.exit(0);
});
connection.on('data.error', (error) => { console.error(error); process.exit(1); });
connection.on('connect', () => {
  const batch = new Batch();
  batch.start();
  batch.set('BHS.3', 'HIS');
  batch.set('BHS.4', 'QINGHE');
  batch.set('BHS.11', 'NODE');
  for (const text of messages) batch.add(new Message({ text }));
  batch.end();
  connection.sendMessage(batch);
});
setTimeout(() => process.exit(2), 60000);
