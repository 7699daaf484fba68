/*
 * Checks edge tokens in CloudFront Functions (runtime cloudfront-js-2.0), at the event "viewer request".
 *
 * Fill in what follows, and let CloudFront forward what is left: the token is taken out of the request, so that it is in no
 * cache key. Only HS256: CloudFront Functions have no public-key cryptography. The secret here can also sign: keep this
 * file as you keep the secret. While a key is being replaced, both are in KEYS.
 */
var KEYS = { KID: 'SECRET' }; // kid (manage.py keys list) to secret, as in EDGE_TOKEN_KEYS
var ISSUER = 'https://streams.example.com';
var AUDIENCE = 'cdn.example.com';
var SKEW_SECONDS = 0;
var STREAM_ID = /^\/([^/]+)\//; // where the path has the streamId

var crypto = require('crypto');

function handler(event) {
  var request = event.request;
  if (request.method === 'OPTIONS') return request; // a browser asks for leave before it sends the token
  try {
    check(request, event.viewer.ip);
    return request;
  } catch (error) {
    var reason = error.reason || 'malformed';
    return {
      statusCode: 403,
      statusDescription: 'Forbidden',
      headers: { 'x-edge-token-refused': { value: reason }, 'cache-control': { value: 'no-store' } },
    };
  }
}

function refuse(reason) {
  var error = new Error(reason);
  error.reason = reason;
  throw error;
}

function check(request, address) {
  var tokens = [];
  collect(tokens, request.headers, 'x-edge-token');
  collect(tokens, request.querystring, 'edgeToken');
  var inPath = /^\/edge-token\/([^/]+)(\/.*)$/.exec(request.uri);
  if (inPath) {
    tokens.push(inPath[1]);
    request.uri = inPath[2];
  }
  if (tokens.length !== 1) refuse(tokens.length ? 'two-tokens' : 'missing');

  var claims = verified(tokens[0]);
  if (claims.iss !== ISSUER) refuse('wrong-issuer');
  if (claims.aud !== AUDIENCE) refuse('wrong-audience');
  if (typeof claims.exp !== 'number' || claims.exp + SKEW_SECONDS <= Date.now() / 1000) refuse('expired');
  if (claims.streamId !== streamIdOf(request.uri)) refuse('wrong-stream');
  if (claims.network !== undefined && claims.network !== networkOf(address)) refuse('wrong-network');
}

/* Takes every value of a header or a query parameter out of the request. */
function collect(tokens, fields, name) {
  if (!Object.prototype.hasOwnProperty.call(fields, name)) return;
  var field = fields[name];
  (field.multiValue || [field]).forEach(function (one) {
    tokens.push(one.value);
  });
  delete fields[name];
}

function verified(token) {
  var parts = token.split('.');
  if (parts.length !== 3) refuse('malformed');
  var header = read(parts[0]);
  if (!Object.prototype.hasOwnProperty.call(KEYS, header.kid)) refuse('unknown-key');
  if (header.alg !== 'HS256') refuse('wrong-algorithm');
  var mac = crypto.createHmac('sha256', KEYS[header.kid]).update(parts[0] + '.' + parts[1]).digest('base64url');
  if (!isSame(mac, parts[2])) refuse('bad-signature');
  if (header.typ !== 'lease+jwt') refuse('wrong-type');
  return read(parts[1]);
}

function read(part) {
  var value;
  try {
    value = JSON.parse(Buffer.from(part, 'base64url').toString());
  } catch (error) {
    refuse('malformed');
  }
  if (value === null || typeof value !== 'object') refuse('malformed');
  return value;
}

/* In the same time whatever differs. */
function isSame(one, other) {
  var difference = one.length ^ other.length;
  for (var at = 0; at < one.length; at++) difference |= one.charCodeAt(at) ^ other.charCodeAt(at);
  return difference === 0;
}

/* Of a path that leads nowhere else once it is decoded. */
function streamIdOf(path) {
  var found = STREAM_ID.exec(path);
  try {
    path.split('/').forEach(function (segment) {
      if (/^\.\.?$|[/\\]/.test(decodeURIComponent(segment))) refuse('bad-path');
    });
    return found && decodeURIComponent(found[1]);
  } catch (error) {
    return refuse('bad-path');
  }
}

/* The network that an address belongs to: an IPv4 address's /24, an IPv6 address's /64. */
function networkOf(address) {
  if (address.indexOf(':') < 0) return address.replace(/\d+$/, '0/24');
  var halves = address.toLowerCase().split('::');
  var head = halves[0] ? halves[0].split(':') : [];
  var tail = halves.length > 1 && halves[1] ? halves[1].split(':') : [];
  while (head.length + tail.length < 8) head.push('0');
  var groups = head.concat(tail).slice(0, 4);
  return (
    groups
      .map(function (group) {
        return parseInt(group, 16).toString(16);
      })
      .join(':') + '::/64'
  );
}
