/*
 * Verifies edge tokens in a CloudFront Function (runtime cloudfront-js-2.0, event
 * "viewer request").
 *
 * Fill in the constants below. The function removes the token from the request before
 * CloudFront forwards it, so that the token is not part of a cache key.
 *
 * CloudFront Functions have no public-key cryptography, so this works with HS256 only.
 * The secret can also sign tokens. Protect this file as you protect the secret. While
 * you replace a key, KEYS contains the old and the new one.
 */
// Maps a kid (see `manage.py keys list`) to its secret, as in EDGE_TOKEN_KEYS.
var KEYS = { KID: 'SECRET' };
var ISSUER = 'https://streams.example.com';
var AUDIENCE = 'cdn.example.com';
var SKEW_SECONDS = 0;
// The part of a path that contains the streamId.
var STREAM_ID = /^\/([^/]+)\//;

var TOKEN_IN_PATH = /^\/edge-token\/([^/]+)(\/.*)$/;
var UNSAFE_SEGMENT = /^\.\.?$|[/\\]/;
var IPV6_GROUPS = 8;
var NETWORK_GROUPS = 4;

var crypto = require('crypto');

function handler(event) {
  var request = event.request;
  // A browser sends a preflight without the token.
  if (request.method === 'OPTIONS') return request;

  try {
    check(request, event.viewer.ip);
    return request;
  } catch (error) {
    return forbidden(error.reason || 'malformed');
  }
}

function forbidden(reason) {
  return {
    statusCode: 403,
    statusDescription: 'Forbidden',
    headers: {
      'x-edge-token-refused': { value: reason },
      'cache-control': { value: 'no-store' },
    },
  };
}

function refuse(reason) {
  var error = new Error(reason);
  error.reason = reason;
  throw error;
}

/* Removes the token from the request and verifies it. */
function check(request, address) {
  var tokens = takeTokens(request);
  if (tokens.length === 0) refuse('missing');
  if (tokens.length > 1) refuse('two-tokens');

  var claims = verify(tokens[0]);
  var now = Date.now() / 1000;
  var isExpired = typeof claims.exp !== 'number' || claims.exp + SKEW_SECONDS <= now;
  if (claims.iss !== ISSUER) refuse('wrong-issuer');
  if (claims.aud !== AUDIENCE) refuse('wrong-audience');
  if (isExpired) refuse('expired');
  if (claims.streamId !== streamIdOf(request.uri)) refuse('wrong-stream');

  var isBound = claims.network !== undefined;
  if (isBound && claims.network !== networkOf(address)) refuse('wrong-network');
}

/* Removes every token from the headers, the query and the path, and returns them. */
function takeTokens(request) {
  var tokens = takeValues(request.headers, 'x-edge-token');
  tokens = tokens.concat(takeValues(request.querystring, 'edgeToken'));

  var inPath = TOKEN_IN_PATH.exec(request.uri);
  if (inPath) {
    tokens.push(inPath[1]);
    request.uri = inPath[2];
  }
  return tokens;
}

/* Removes all values of a header or a query parameter, and returns them. */
function takeValues(fields, name) {
  if (!has(fields, name)) return [];

  var field = fields[name];
  delete fields[name];
  var values = field.multiValue || [field];
  return values.map(function (entry) {
    return entry.value;
  });
}

function has(object, name) {
  return Object.prototype.hasOwnProperty.call(object, name);
}

/* Verifies the signature and the type, and returns the claims. */
function verify(token) {
  var parts = token.split('.');
  if (parts.length !== 3) refuse('malformed');

  var header = decode(parts[0]);
  if (!has(KEYS, header.kid)) refuse('unknown-key');
  if (header.alg !== 'HS256') refuse('wrong-algorithm');

  var signed = parts[0] + '.' + parts[1];
  var mac = crypto.createHmac('sha256', KEYS[header.kid]).update(signed);
  if (!isEqual(mac.digest('base64url'), parts[2])) refuse('bad-signature');
  if (header.typ !== 'lease+jwt') refuse('wrong-type');
  return decode(parts[1]);
}

/* Returns the object that a part of a token contains. */
function decode(part) {
  var value;
  try {
    value = JSON.parse(Buffer.from(part, 'base64url').toString());
  } catch (error) {
    refuse('malformed');
  }
  if (value === null || typeof value !== 'object') refuse('malformed');
  return value;
}

/* Compares in constant time. */
function isEqual(first, second) {
  var difference = first.length ^ second.length;
  for (var index = 0; index < first.length; index++) {
    difference |= first.charCodeAt(index) ^ second.charCodeAt(index);
  }
  return difference === 0;
}

/* Returns the streamId in a path. Refuses a path that changes when it is resolved. */
function streamIdOf(path) {
  try {
    path.split('/').forEach(function (segment) {
      if (UNSAFE_SEGMENT.test(decodeURIComponent(segment))) refuse('bad-path');
    });
    var match = STREAM_ID.exec(path);
    return match && decodeURIComponent(match[1]);
  } catch (error) {
    return refuse('bad-path');
  }
}

/* Returns the network of an address: the /24 of IPv4, the /64 of IPv6. */
function networkOf(address) {
  if (address.indexOf(':') < 0) return address.replace(/\d+$/, '0/24');

  var halves = address.toLowerCase().split('::');
  var groups = halves[0] ? halves[0].split(':') : [];
  var last = halves[1] ? halves[1].split(':') : [];
  while (groups.length + last.length < IPV6_GROUPS) groups.push('0');

  var network = groups.concat(last).slice(0, NETWORK_GROUPS);
  var plain = network.map(function (group) {
    return parseInt(group, 16).toString(16);
  });
  return plain.join(':') + '::/64';
}
