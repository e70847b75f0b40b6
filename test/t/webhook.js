// test/t/webhook.js PORT-FILE LOG: a receiver for test/t/dispatcher.pl. Writes a line for each request it has got, and
// answers by the lead's name: busy (429, then good), broken (500, then good), gone (410), dead (never, the first time).
'use strict';

const fs = require('fs');
const http = require('http');

const [portFile, log] = process.argv.slice(2);
const seen = new Map();

http.createServer((request, response) => {
	let body = '';
	request.on('data', part => { body += part; });
	request.on('end', () => {
		const event = JSON.parse(body);
		const lead = event.subject;
		const n = (seen.get(lead) || 0) + 1;
		seen.set(lead, n);
		fs.appendFileSync(log, [lead, event.sequence, event.id, request.headers['idempotency-key'], request.headers['content-type'],
			event.type, Date.now()].join('|') + '\n');
		if (lead === 'dead' && n === 1) return;
		if (lead === 'busy' && n === 1) response.writeHead(429, { 'retry-after': '1' });
		else if (lead === 'broken' && n === 1) response.writeHead(500);
		else if (lead === 'gone') response.writeHead(410);
		else response.writeHead(204);
		response.end();
	});
}).listen(0, '127.0.0.1', function () { fs.writeFileSync(portFile, String(this.address().port)); });
