// Drives the official janus.js without a browser: node janus_client.cjs <janus.es.js> <server URL>. Prints one JSON object a line.
'use strict';

const fs = require('node:fs');
const vm = require('node:vm');

const [, , library, server] = process.argv;
const tell = (what, facts = {}) => console.log(JSON.stringify({ what, ...facts }));

// janus.js is a browser's script: it wants a window, but of its features only these.
const nothing = () => {};
const navigator = { userAgent: 'node', platform: 'node', sendBeacon: nothing };
const window = { addEventListener: nothing, navigator, location: { protocol: 'http:' }, RTCPeerConnection: nothing };
const source = fs.readFileSync(library, 'utf8').replace(/^export .*$/m, '') + '\n;Janus;';
const Janus = vm.runInNewContext(source, {
  window, navigator, console, setTimeout, clearTimeout, setInterval, clearInterval, Promise, Map, JSON, location: window.location,
});

const dependencies = Janus.useDefaultDependencies({
  fetch, Promise, WebSocket: globalThis.WebSocket, adapter: { browserDetails: { browser: 'node', version: 0 } },
});

const call = (start) => new Promise((success, error) => start({ success, error: (problem) => error(new Error(String(problem))) }));
const waiting = [];
const next = () => new Promise((resolve) => waiting.push(resolve));
const arrived = (what, facts) => { tell(what, facts); const resolve = waiting.shift(); if (resolve) resolve(); };

async function main() {
  await new Promise((callback) => Janus.init({ debug: false, dependencies, callback }));
  let janus;
  await new Promise((success, error) => {
    janus = new Janus({ server, success, error: (problem) => error(new Error(String(problem))), destroyed: () => tell('destroyed') });
  });
  tell('session', { id: janus.getSessionId() });
  const info = await call((callbacks) => janus.getInfo(callbacks));
  tell('info', { plugins: Object.keys(info.plugins) });

  let handle;
  await new Promise((success, error) => janus.attach({
    plugin: 'janus.plugin.puppet',
    opaqueId: 'me',
    success: (attached) => { handle = attached; success(); },
    error: (problem) => error(new Error(String(problem))),
    onmessage: (data, jsep) => arrived('message', { data, jsep }),
    webrtcState: (up, reason) => arrived('webrtcState', { up, reason }),
    mediaState: (kind, receiving, mid) => arrived('mediaState', { kind, receiving, mid }),
    slowLink: (uplink, lost, mid) => arrived('slowLink', { uplink, lost, mid }),
    iceState: nothing,
    oncleanup: () => tell('cleanup'),
  }));
  tell('handle', { id: handle.getId() });

  tell('reply', { data: await call((callbacks) => handle.send({ message: { success: { sync: 1 } }, ...callbacks })) });
  const sdp = 'v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n';
  const told = next();
  await call((callbacks) => handle.send({ message: { push: { n: 1 }, answer: sdp }, jsep: { type: 'offer', sdp }, ...callbacks }));
  await told;

  // The puppet's call events, which the test makes happen when it is asked to.
  for (const event of ['connected', 'receiving', 'slow', 'closed']) {
    const heard = next();
    await call((callbacks) => handle.send({ message: { play: event }, ...callbacks }));
    await heard;
  }
  if (server.startsWith('ws')) {
    await call((callbacks) => janus.reconnect(callbacks));
    tell('claimed');
  }
  await call((callbacks) => handle.detach(callbacks));
  await call((callbacks) => janus.destroy(callbacks));
  process.exit(0);
}

main().catch((problem) => { tell('failed', { problem: String(problem) }); process.exit(1); });
setTimeout(() => { tell('failed', { problem: 'too slow' }); process.exit(1); }, 15000).unref();
