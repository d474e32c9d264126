// Stores files as dicomweb-client does, the library of OHIF and others: PORT TOKEN FILE…
// Prints the response as it is.
'use strict';
const fs = require('fs');
global.XMLHttpRequest = require('xhr2'); // it is made for browsers
const { api } = require('dicomweb-client');

const [port, token, ...paths] = process.argv.slice(2);
const client = new api.DICOMwebClient({
    url: `http://127.0.0.1:${port}/dicom-web`,
    headers: { Authorization: `Bearer ${token}` },
});
const datasets = paths.map((path) => {
    const bytes = fs.readFileSync(path);
    return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
});
client.storeInstances({ datasets }).then(
    (answer) => console.log(String(answer)),
    (error) => {
        console.error(error.message);
        process.exitCode = 1;
    }
);
