/*
 * Verifies edge tokens in nginx with njs (Debian's libnginx-mod-http-js is enough).
 *
 * nginx.conf in this folder shows how to use it. `auth_request` calls `check`, which
 * reads these variables of the configuration:
 *
 *   $edge_keys           a file with a JWK Set: the published keys (update-keys.sh
 *                        updates them), or `oct` keys for HMAC secrets
 *   $edge_issuer         one issuer, or several with spaces between them
 *   $edge_audience, $edge_skew_seconds
 *   $edge_stream_id      a regular expression whose group is the streamId in a decoded
 *                        path
 *
 * nginx must serve `path` and `args`: the path that `check` compares with the token, and
 * the query, both without the token.
 */
import fs from 'fs';

var ALGORITHMS = {
  oct: {
    alg: 'HS256',
    importAs: { name: 'HMAC', hash: 'SHA-256' },
    verifyAs: 'HMAC',
  },
  EC: {
    alg: 'ES256',
    importAs: { name: 'ECDSA', namedCurve: 'P-256' },
    verifyAs: { name: 'ECDSA', hash: 'SHA-256' },
  },
};
// The SubjectPublicKeyInfo of a P-256 key, up to the coordinates of its point.
var P256_PREFIX = '3059301306072a8648ce3d020106082a8648ce3d03010703420004';
var TOKEN_IN_PATH = /^\/edge-token\/([^/]+)(\/.*)$/;
var TOKEN_IN_QUERY = /^edgeToken(=|$)/;
var MAX_TOKEN_LENGTH = 4096;
var NOT_PRINTABLE = /[^\x21-\x7e]/;
// Servers resolve, decode again or cut off these characters in different ways.
var UNSAFE_SEGMENT = /[\x00-\x1f\x7f/\\?#%;\ufffd]|[. ]$/;
var IPV4 = /^(\d+\.\d+\.\d+)\.\d+$/;
var IPV4_IN_IPV6 = /^::ffff:(?=\d+\.)/i;
var IPV6_GROUPS = 8;
var NETWORK_GROUPS = 4;

async function check(r) {
  try {
    await checkToken(r);
    r.return(204);
  } catch (error) {
    r.headersOut['X-Edge-Token-Refused'] = error.reason || 'malformed';
    r.return(403);
  }
}

/* Returns whether a browser asks for permission. It sends no token then. */
function preflight(r) {
  var asked = r.variables;
  var isAsking = asked.http_origin && asked.http_access_control_request_method;
  return asked.request_method === 'OPTIONS' && isAsking ? '1' : '';
}

/* Returns the decoded path without the token. It is / for a path that is refused. */
function path(r) {
  try {
    return decodedPath(split(r.variables.request_uri).path);
  } catch (error) {
    return '/';
  }
}

/* Returns the query without the token, for the origin and the cache key. */
function args(r) {
  return split(r.variables.request_uri).query;
}

function refuse(reason) {
  var error = new Error(reason);
  error.reason = reason;
  throw error;
}

async function checkToken(r) {
  var variables = r.variables;
  var request = split(variables.request_uri);
  var tokens = tokensInHeaders(r).concat(request.tokens).filter(Boolean);
  if (tokens.length === 0) refuse('missing');
  if (tokens.length > 1) refuse('two-tokens');

  var keys = JSON.parse(fs.readFileSync(variables.edge_keys)).keys;
  var claims = await verify(tokens[0], keys);
  checkClaims(claims, variables);

  var pattern = new RegExp(variables.edge_stream_id);
  var match = pattern.exec(decodedPath(request.path));
  var streamId = match && match[1];
  if (!streamId || claims.streamId !== streamId) refuse('wrong-stream');

  var isBound = claims.network !== undefined;
  if (isBound && claims.network !== networkOf(variables.remote_addr)) {
    refuse('wrong-network');
  }
}

function tokensInHeaders(r) {
  var values = r.rawHeadersIn
    .filter(function (header) {
      return header[0].toLowerCase() === 'x-edge-token';
    })
    .map(function (header) {
      return header[1];
    });
  return values.join(',').split(',');
}

/* Returns the tokens in a URL, and its path and query without them. */
function split(uri) {
  var questionMark = uri.indexOf('?');
  var path = questionMark < 0 ? uri : uri.slice(0, questionMark);
  var pairs = questionMark < 0 ? [] : uri.slice(questionMark + 1).split('&');
  var tokens = [];

  var otherPairs = pairs.filter(function (pair) {
    var isToken = TOKEN_IN_QUERY.test(pair);
    if (isToken) tokens.push(pair.slice('edgeToken='.length));
    return !isToken;
  });
  var inPath = TOKEN_IN_PATH.exec(path);
  if (inPath) {
    tokens.push(inPath[1]);
    path = inPath[2];
  }
  return { tokens: tokens, path: path, query: otherPairs.join('&') };
}

/* Verifies the signature and the type, and returns the claims. */
async function verify(token, keys) {
  var parts = token.split('.');
  var hasSize = parts.length === 3 && token.length <= MAX_TOKEN_LENGTH;
  if (!hasSize || !isCanonical(parts[2], 'hex')) refuse('malformed');

  var header = decode(parts[0]);
  // Extensions are not supported: a critical one is an error (RFC 7515, RFC 7797).
  if (header.crit !== undefined || header.b64 !== undefined) refuse('malformed');
  var jwk = keys.find(function (key) {
    return key && typeof key.kid === 'string' && key.kid === header.kid;
  });
  if (!jwk) refuse('unknown-key');

  var algorithm = ALGORITHMS[jwk.kty];
  var isSupported = algorithm && (jwk.kty === 'oct' || jwk.crv === 'P-256');
  if (!isSupported || header.alg !== algorithm.alg) refuse('wrong-algorithm');

  var signed = Buffer.from(parts[0] + '.' + parts[1]);
  var isGood = await hasSignature(jwk, algorithm, signed, bytesOf(parts[2]));
  if (!isGood) refuse('bad-signature');
  if (header.typ !== 'lease+jwt') refuse('wrong-type');
  return decode(parts[1]);
}

/* Verifies the claims that do not depend on the request (RFC 7519). */
function checkClaims(claims, variables) {
  var skewSeconds = Number(variables.edge_skew_seconds || 0);
  var now = Date.now() / 1000;
  var startsAt = claims.nbf === undefined ? 0 : claims.nbf;
  if (!isTime(claims.exp) || !isTime(startsAt)) refuse('malformed');

  var audiences = [].concat(claims.aud);
  var issuers = variables.edge_issuer.split(' ');
  if (issuers.indexOf(claims.iss) < 0) refuse('wrong-issuer');
  if (audiences.indexOf(variables.edge_audience) < 0) refuse('wrong-audience');
  if (claims.exp + skewSeconds <= now) refuse('expired');
  if (startsAt - skewSeconds > now) refuse('not-yet-valid');
}

function isTime(value) {
  return typeof value === 'number' && isFinite(value);
}

async function hasSignature(jwk, algorithm, signed, signature) {
  var isSecret = jwk.kty === 'oct';
  var key = await crypto.subtle.importKey(
    isSecret ? 'raw' : 'spki',
    isSecret ? bytesOf(jwk.k) : publicKeyOf(jwk),
    algorithm.importAs,
    false,
    ['verify']
  );
  try {
    return await crypto.subtle.verify(algorithm.verifyAs, key, signature, signed);
  } catch (error) {
    return false; // The signature has a different length.
  }
}

function publicKeyOf(jwk) {
  var prefix = Buffer.from(P256_PREFIX, 'hex');
  return Buffer.concat([prefix, bytesOf(jwk.x), bytesOf(jwk.y)]);
}

function bytesOf(text) {
  return Buffer.from(text, 'base64url');
}

/* Returns the object that a part of a token contains. */
function decode(part) {
  var value;
  if (!isCanonical(part, 'utf8')) refuse('malformed');
  try {
    value = JSON.parse(bytesOf(part).toString());
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
  var content = bytesOf(text).toString(encoding);
  return Buffer.from(content, encoding).toString('base64url') === text;
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

export default { args, check, path, preflight };
