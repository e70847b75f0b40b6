// examples/dispatcher/dispatcher.js: leases messages of one destination and posts them to a webhook, as CloudEvents.
//
// It may die at any moment. What it had leased comes again when the lease runs out, under the same id; so a message that was
// posted but not acknowledged is posted twice, and the receiver drops the second by its Idempotency-Key. Each call to the
// database is a transaction of its own, and none is open while a request is under way.
'use strict';

const { Client } = require('pg');

const config = {
	destination: process.env.LH_DESTINATION || 'webhook',
	url: process.env.LH_URL,
	batch: Number(process.env.LH_BATCH || 20),        // messages a lease, posted at once
	lease: Number(process.env.LH_LEASE || 60),        // seconds; a request gets three quarters of them
	poll: Number(process.env.LH_POLL || 1000),        // milliseconds between two looks when nothing waits
	listen: process.env.LH_LISTEN === '1',            // be woken by NOTIFY (lead_handoff.notify = on)
	once: process.env.LH_ONCE === '1',                // end when nothing waits
	worker: process.env.LH_WORKER || `dispatcher ${process.pid}`,
};

// Answers that will not change however often it is sent.
const HOPELESS = new Set([400, 405, 406, 410, 413, 415, 422]);

let stopping = false;
let wake = () => {};

function sleep(ms) {
	return new Promise(done => {
		const timer = setTimeout(done, ms);
		wake = () => { clearTimeout(timer); done(); };
	});
}

// Retry-After: seconds, or a date. As an interval; null: the destination's own backoff.
function retryAfter(response) {
	const value = response.headers.get('retry-after');
	if (value === null) return null;
	const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
	return Number.isFinite(seconds) ? `${Math.max(0, Math.min(seconds, 86400))} seconds` : null;
}

// { done: true }, or why not and what is to become of it.
async function post(message) {
	try {
		const response = await fetch(config.url, {
			method: 'POST',
			headers: {
				'content-type': 'application/cloudevents+json',
				'idempotency-key': message.id,
			},
			body: JSON.stringify(message.event),
			signal: AbortSignal.timeout(config.lease * 750),
		});
		await response.arrayBuffer();
		if (response.ok) return { done: true };
		return {
			error: `HTTP ${response.status}`,
			retryAfter: retryAfter(response),
			hopeless: HOPELESS.has(response.status),
		};
	} catch (error) {
		return { error: (error.cause && error.cause.message) || error.message, retryAfter: null, hopeless: false };
	}
}

async function deliver(db, message) {
	const answer = await post(message);
	const { rows } = answer.done
		? await db.query('select handoff.ack($1, $2, $3) as good', [config.destination, message.id, message.token])
		: await db.query('select handoff.nack($1, $2, $3, $4, $5::interval, $6) as good',
			[config.destination, message.id, message.token, answer.error, answer.retryAfter, answer.hopeless]);
	if (!rows[0].good) console.error(`${message.id}: the lease ran out, somebody else has it`);
	else if (answer.error) console.error(`${message.id} (${message.event.type}): ${answer.error}`);
}

async function lease(db) {
	const { rows } = await db.query(
		`select l.id, l.token, handoff.cloudevent(l.id, l.type, l.lead_key, l.created_at, l.payload, l.sequence, l.expires_at) as event
		 from handoff.lease($1, $2, make_interval(secs => $3), $4) l`,
		[config.destination, config.batch, config.lease, config.worker]);
	return rows;
}

async function main() {
	if (!config.url) throw new Error('LH_URL is not set');
	const db = new Client(); // by PGHOST, PGUSER, PGDATABASE ..
	await db.connect();
	if (config.listen) {
		db.on('notification', () => wake());
		await db.query('listen lead_handoff');
	}
	for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => { stopping = true; wake(); });
	while (!stopping) {
		const messages = await lease(db);
		await Promise.all(messages.map(message => deliver(db, message)));
		if (messages.length === 0 && config.once) break;
		if (messages.length === 0 && !stopping) await sleep(config.poll);
	}
	await db.end();
}

main().catch(error => { console.error(error.message); process.exit(1); });
