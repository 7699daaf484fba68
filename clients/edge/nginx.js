/*
 * Verifies edge tokens in nginx with njs (Debian's libnginx-mod-http-js is enough).
 *
 * nginx.conf in this folder shows how to use it: `auth_request` calls `check`, which
 * reads these variables of the configuration:
 *
 *   $edge_keys           a file with a JWK Set: the published keys, or `oct` keys for
 *                        HMAC secrets
 *   $edge_issuer, $edge_audience, $edge_skew_seconds
 *   $edge_stream_id      a regular expression whose group is the streamId in a path
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
var TOKEN_IN_QUERY = 'edgeToken=';
var UNSAFE_SEGMENT = /^\.\.?$|[/\\]/;
var IPV6_GROUPS = 8;
var NETWORK_GROUPS = 4;

async function check(r) {
  try {
    // A browser sends a preflight without the token.
    if (r.variables.request_method !== 'OPTIONS') await checkToken(r);
    r.return(204);
  } catch (error) {
    r.headersOut['X-Edge-Token-Refused'] = error.reason || 'malformed';
    r.return(403);
  }
}

/* Returns the query without the token, for the origin and the cache key. */
function args(r) {
  return (r.variables.args || '')
    .split('&')
    .filter(function (pair) {
      return !pair.startsWith(TOKEN_IN_QUERY);
    })
    .join('&');
}

function refuse(reason) {
  var error = new Error(reason);
  error.reason = reason;
  throw error;
}

async function checkToken(r) {
  var variables = r.variables;
  var request = tokensAndPath(r);
  if (request.tokens.length === 0) refuse('missing');
  if (request.tokens.length > 1) refuse('two-tokens');

  var keys = JSON.parse(fs.readFileSync(variables.edge_keys)).keys;
  var claims = await verify(request.tokens[0], keys);

  var skewSeconds = Number(variables.edge_skew_seconds || 0);
  var now = Date.now() / 1000;
  var isExpired = typeof claims.exp !== 'number' || claims.exp + skewSeconds <= now;
  if (claims.iss !== variables.edge_issuer) refuse('wrong-issuer');
  if (claims.aud !== variables.edge_audience) refuse('wrong-audience');
  if (isExpired) refuse('expired');

  var streamId = streamIdOf(request.path, new RegExp(variables.edge_stream_id));
  if (claims.streamId !== streamId) refuse('wrong-stream');

  var isBound = claims.network !== undefined;
  if (isBound && claims.network !== networkOf(variables.remote_addr)) {
    refuse('wrong-network');
  }
}

/* Returns the tokens of the original request, and its path without them. */
function tokensAndPath(r) {
  var uri = r.variables.request_uri;
  var questionMark = uri.indexOf('?');
  var path = questionMark < 0 ? uri : uri.slice(0, questionMark);
  var query = questionMark < 0 ? '' : uri.slice(questionMark + 1);
  var tokens = [];

  r.rawHeadersIn.forEach(function (header) {
    if (header[0].toLowerCase() === 'x-edge-token') tokens.push(header[1]);
  });
  query.split('&').forEach(function (pair) {
    if (pair.startsWith(TOKEN_IN_QUERY)) tokens.push(pair.slice(TOKEN_IN_QUERY.length));
  });
  var inPath = TOKEN_IN_PATH.exec(path);
  if (inPath) {
    tokens.push(inPath[1]);
    path = inPath[2];
  }
  return { tokens: tokens, path: path };
}

/* Verifies the signature and the type, and returns the claims. */
async function verify(token, keys) {
  var parts = token.split('.');
  if (parts.length !== 3) refuse('malformed');

  var header = decode(parts[0]);
  var jwk = keys.find(function (key) {
    return key.kid === header.kid;
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
  try {
    value = JSON.parse(bytesOf(part).toString());
  } catch (error) {
    refuse('malformed');
  }
  if (value === null || typeof value !== 'object') refuse('malformed');
  return value;
}

/* Returns the streamId in a path. Refuses a path that changes when it is resolved. */
function streamIdOf(path, pattern) {
  try {
    path.split('/').forEach(function (segment) {
      if (UNSAFE_SEGMENT.test(decodeURIComponent(segment))) refuse('bad-path');
    });
    var match = pattern.exec(path);
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

export default { check, args };
