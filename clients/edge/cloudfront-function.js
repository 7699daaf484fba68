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
// Maps a kid (see `manage.py keys list`) to its secret, as in EDGE_TOKEN_KEYS. Every
// request is refused until you add one.
var KEYS = {};
// One issuer, or a list of them while the service gets another URL.
var ISSUER = 'https://streams.example.com';
var AUDIENCE = 'cdn.example.com';
var SKEW_SECONDS = 0;
// The part of a decoded path that is the streamId.
var STREAM_ID = /^\/([^/]+)\//;

var TOKEN_IN_PATH = /^\/edge-token\/([^/]+)(\/.*)$/;
var MAX_TOKEN_LENGTH = 4096;
var NOT_PRINTABLE = /[^\x21-\x7e]/;
// Servers resolve, decode again or cut off these characters in different ways.
var UNSAFE_SEGMENT = /[\x00-\x1f\x7f/\\?#%;\ufffd]|[. ]$/;
var IPV4 = /^(\d+\.\d+\.\d+)\.\d+$/;
var IPV4_IN_IPV6 = /^::ffff:(?=\d+\.)/i;
var IPV6_GROUPS = 8;
var NETWORK_GROUPS = 4;

var crypto = require('crypto');

function handler(event) {
  var request = event.request;
  try {
    if (isPreflight(request)) return preflightAnswer(request.headers);
    check(request, event.viewer.ip);
    return request;
  } catch (error) {
    return forbidden(error.reason || 'malformed');
  }
}

/* Returns whether a browser asks for permission. It sends no token then. */
function isPreflight(request) {
  var headers = request.headers;
  var isAsking = has(headers, 'origin') && has(headers, 'access-control-request-method');
  return request.method === 'OPTIONS' && isAsking;
}

/* Returns the answer to a preflight. The origin does not receive the request. */
function preflightAnswer(asked) {
  var requested = asked['access-control-request-headers'];
  return {
    statusCode: 204,
    statusDescription: 'No Content',
    headers: {
      'access-control-allow-origin': { value: '*' },
      'access-control-allow-methods': {
        value: asked['access-control-request-method'].value,
      },
      'access-control-allow-headers': {
        value: requested ? requested.value : 'x-edge-token',
      },
      'access-control-max-age': { value: '7200' },
      'cache-control': { value: 'no-store' },
    },
  };
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
  checkClaims(claims);
  if (claims.streamId !== streamIdOf(decodedPath(request.uri))) refuse('wrong-stream');

  var isBound = claims.network !== undefined;
  if (isBound && claims.network !== networkOf(address)) refuse('wrong-network');
}

/* Removes every token from the headers, the query and the path, and returns them. */
function takeTokens(request) {
  var inHeaders = takeValues(request.headers, 'x-edge-token');
  var inQuery = takeValues(request.querystring, 'edgeToken');
  var tokens = inHeaders.concat(inQuery).join(',').split(',').filter(Boolean);

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
  var hasSize = parts.length === 3 && token.length <= MAX_TOKEN_LENGTH;
  if (!hasSize || !isCanonical(parts[2], 'hex')) refuse('malformed');

  var header = decode(parts[0]);
  // Extensions are not supported: a critical one is an error (RFC 7515, RFC 7797).
  if (has(header, 'crit') || has(header, 'b64')) refuse('malformed');
  if (typeof header.kid !== 'string' || !has(KEYS, header.kid)) refuse('unknown-key');
  if (header.alg !== 'HS256') refuse('wrong-algorithm');

  var signed = parts[0] + '.' + parts[1];
  var mac = crypto.createHmac('sha256', KEYS[header.kid]).update(signed);
  if (!isEqual(mac.digest('base64url'), parts[2])) refuse('bad-signature');
  if (header.typ !== 'lease+jwt') refuse('wrong-type');
  return decode(parts[1]);
}

/* Verifies the claims that do not depend on the request (RFC 7519). */
function checkClaims(claims) {
  var now = Date.now() / 1000;
  var startsAt = claims.nbf === undefined ? 0 : claims.nbf;
  if (!isTime(claims.exp) || !isTime(startsAt)) refuse('malformed');

  var audiences = [].concat(claims.aud);
  if ([].concat(ISSUER).indexOf(claims.iss) < 0) refuse('wrong-issuer');
  if (audiences.indexOf(AUDIENCE) < 0) refuse('wrong-audience');
  if (claims.exp + SKEW_SECONDS <= now) refuse('expired');
  if (startsAt - SKEW_SECONDS > now) refuse('not-yet-valid');
}

function isTime(value) {
  return typeof value === 'number' && isFinite(value);
}

/* Returns the object that a part of a token contains. */
function decode(part) {
  var value;
  if (!isCanonical(part, 'utf8')) refuse('malformed');
  try {
    value = JSON.parse(Buffer.from(part, 'base64url').toString());
  } catch (error) {
    refuse('malformed');
  }
  var isObject = value !== null && typeof value === 'object' && !Array.isArray(value);
  if (!isObject) refuse('malformed');
  return value;
}

/* Returns whether a text is base64url as RFC 7515 writes it: without padding, other
   characters, or bits that do not count. */
function isCanonical(text, encoding) {
  var content = Buffer.from(text, 'base64url').toString(encoding);
  return Buffer.from(content, encoding).toString('base64url') === text;
}

/* Compares in constant time. */
function isEqual(first, second) {
  var difference = first.length ^ second.length;
  for (var index = 0; index < first.length; index++) {
    difference |= first.charCodeAt(index) ^ second.charCodeAt(index);
  }
  return difference === 0;
}

/* Returns a path as every server decodes it. Refuses a path that servers could read in
   different ways. */
function decodedPath(path) {
  if (path[0] !== '/' || NOT_PRINTABLE.test(path)) refuse('bad-path');

  var segments = path.slice(1).split('/').map(decodedSegment);
  var hasEmptySegment = segments.slice(0, -1).indexOf('') >= 0;
  // A server behind this one could take the prefix for that of a token.
  var hasPrefix = segments[0].toLowerCase() === 'edge-token';
  if (hasEmptySegment || hasPrefix) refuse('bad-path');
  return '/' + segments.join('/');
}

function decodedSegment(text) {
  var segment;
  try {
    segment = decodeURIComponent(text);
  } catch (error) {
    refuse('bad-path');
  }
  if (UNSAFE_SEGMENT.test(segment)) refuse('bad-path');
  return segment;
}

function streamIdOf(path) {
  var match = STREAM_ID.exec(path);
  return (match && match[1]) || refuse('wrong-stream');
}

/* Returns the network of an address: the /24 of IPv4, the /64 of IPv6. Refuses a text
   that is not an address. */
function networkOf(address) {
  var plain = String(address).replace(IPV4_IN_IPV6, '');
  var isIPv4 = IPV4.exec(plain);
  if (isIPv4) return isIPv4[1] + '.0/24';

  var halves = plain.split('::');
  var groups = halves[0] ? halves[0].split(':') : [];
  var last = halves[1] ? halves[1].split(':') : [];
  while (groups.length + last.length < IPV6_GROUPS) groups.push('0');

  var network = groups.concat(last).slice(0, NETWORK_GROUPS);
  var numbers = network.map(function (group) {
    return parseInt(group, 16);
  });
  if (plain.indexOf(':') < 0 || numbers.some(isNaN)) refuse('wrong-network');
  return (
    numbers
      .map(function (number) {
        return number.toString(16);
      })
      .join(':') + '::/64'
  );
}
