// One call through the npm package rtpengine-client: ping, offer, answer, query, delete. The replies are printed as one line of JSON.
// node client.cjs udp|tcp|ws HOST PORT
const {Client, TcpClient, WsClient} = require('rtpengine-client');

const [kind, host, portText] = process.argv.slice(2);
const port = Number(portText);

const offer = [
    'v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0', 'm=audio 41000 RTP/AVP 0 101', 'a=rtpmap:0 PCMU/8000',
    'a=rtpmap:101 telephone-event/8000', 'a=sendrecv', '',
].join('\r\n');
const answer = offer.replace('41000', '41002').replace(' 0 101', ' 0');

function open() {
    if (kind === 'udp') {
        const client = new Client({localAddress: host, timeout: 5000});
        const command = (name, options) => client[name]({host, port}, options);
        return new Promise((done, failed) => client.on('listening', () => done(command)).on('error', failed));
    }
    const client = kind === 'tcp' ? new TcpClient({hostport: `${host}:${port}`, timeout: 5000}) : new WsClient({url: `ws://${host}:${port}/`, timeout: 5000});
    const command = (name, options) => client[name](options);
    return new Promise((done, failed) => client.on('listening', () => done(command)).on('error', failed));
}

async function main() {
    console.log = () => {};           // the package's TCP client is talkative
    const command = await open();
    const names = {'call-id': `npm-${kind}`, 'from-tag': 'near'};
    const replies = {};
    replies.ping = await command('ping', {});
    replies.offer = await command('offer', {...names, sdp: offer, replace: ['origin'], ICE: 'remove', 'transport-protocol': 'RTP/AVP'});
    replies.answer = await command('answer', {...names, 'to-tag': 'far', sdp: answer, replace: ['origin'], ICE: 'remove'});
    replies.query = await command('query', names);
    replies.delete = await command('delete', {...names, 'delete-delay': 0});
    replies.unknown = await command('query', {'call-id': 'nobody'});
    process.stdout.write(JSON.stringify(replies) + '\n', () => process.exit(0));
}

main().catch(error => {
    process.stderr.write(String(error && error.stack || error) + '\n');
    process.exit(1);
});
