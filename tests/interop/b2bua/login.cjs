// Logs in with JsSIP, without a page: node login.cjs NODE_MODULES URL ADDRESS PASSWORD TOKEN. Prints what came of it.
const [modules, url, uri, password, token] = process.argv.slice(2);
global.WebSocket = require(`${modules}/ws`);
const JsSIP = require(`${modules}/jssip`);

const settings = { sockets: [new JsSIP.WebSocketInterface(url)], uri, register: true };
if (password) settings.password = password;
if (token) settings.authorization_jwt = `Bearer ${token}`;
const ua = new JsSIP.UA(settings);

function end(told) {
  console.log(told);
  process.exit(0);
}

ua.on('registered', () => ua.unregister());
ua.on('unregistered', ({ response }) => response && end(`in and out ${response.status_code}`));
ua.on('registrationFailed', ({ response, cause }) => end(`${cause} ${response ? response.status_code : ''}`));
setTimeout(() => end('nothing'), 8000);
ua.start();
