/*
 * Checks edge tokens in nginx, with njs (Debian's libnginx-mod-http-js is enough). nginx.conf beside this file uses it:
 * auth_request asks `check`, which reads these variables of the configuration:
 *
 *   $edge_keys      a file with a JWK Set: what the service publishes, or `oct` keys for HMAC secrets
 *   $edge_issuer    $edge_audience    $edge_skew_seconds
 *   $edge_stream_id a regular expression: where the path has the streamId
 */
import fs from 'fs';

var ALGORITHMS = {
  oct: { alg: 'HS256', name: { name: 'HMAC', hash: 'SHA-256' }, use: 'HMAC' },
  EC: { alg: 'ES256', name: { name: 'ECDSA', namedCurve: 'P-256' }, use: { name: 'ECDSA', hash: 'SHA-256' } },
};
var P256 = '3059301306072a8648ce3d020106082a8648ce3d03010703420004'; // SubjectPublicKeyInfo up to the point's coordinates

async function check(r) {
  try {
    if (r.variables.request_method !== 'OPTIONS') await claimsOf(r); // a browser asks for leave before it sends the token
    r.return(204);
  } catch (error) {
    r.headersOut['X-Edge-Token-Refused'] = error.reason || 'malformed';
    r.return(403);
  }
}

/* The query without the token, for the origin and the cache key. */
function args(r) {
  return (r.variables.args || '')
    .split('&')
    .filter(function (pair) {
      return !pair.startsWith('edgeToken=');
    })
    .join('&');
}

function refuse(reason) {
  var error = new Error(reason);
  error.reason = reason;
  throw error;
}

async function claimsOf(r) {
  var uri = r.variables.request_uri;
  var at = uri.indexOf('?');
  var path = at < 0 ? uri : uri.slice(0, at);
  var tokens = [];
  r.rawHeadersIn.forEach(function (header) {
    if (header[0].toLowerCase() === 'x-edge-token') tokens.push(header[1]);
  });
  (at < 0 ? '' : uri.slice(at + 1)).split('&').forEach(function (pair) {
    if (pair.startsWith('edgeToken=')) tokens.push(pair.slice('edgeToken='.length));
  });
  var inPath = /^\/edge-token\/([^/]+)(\/.*)$/.exec(path);
  if (inPath) {
    tokens.push(inPath[1]);
    path = inPath[2];
  }
  if (tokens.length !== 1) refuse(tokens.length ? 'two-tokens' : 'missing');

  var claims = await verified(tokens[0], JSON.parse(fs.readFileSync(r.variables.edge_keys)).keys);
  var skew = Number(r.variables.edge_skew_seconds || 0);
  if (claims.iss !== r.variables.edge_issuer) refuse('wrong-issuer');
  if (claims.aud !== r.variables.edge_audience) refuse('wrong-audience');
  if (typeof claims.exp !== 'number' || claims.exp + skew <= Date.now() / 1000) refuse('expired');
  if (claims.streamId !== streamIdOf(path, new RegExp(r.variables.edge_stream_id))) refuse('wrong-stream');
  if (claims.network !== undefined && claims.network !== networkOf(r.variables.remote_addr)) refuse('wrong-network');
}

async function verified(token, keys) {
  var parts = token.split('.');
  if (parts.length !== 3) refuse('malformed');
  var header = read(parts[0]);
  var jwk = keys.filter(function (key) {
    return key.kid === header.kid;
  })[0];
  if (!jwk) refuse('unknown-key');
  var algorithm = ALGORITHMS[jwk.kty];
  if (!algorithm || header.alg !== algorithm.alg || (jwk.kty === 'EC' && jwk.crv !== 'P-256')) refuse('wrong-algorithm');
  var format = jwk.kty === 'oct' ? 'raw' : 'spki';
  var bytes = jwk.kty === 'oct' ? base64(jwk.k) : Buffer.concat([Buffer.from(P256, 'hex'), base64(jwk.x), base64(jwk.y)]);
  var key = await crypto.subtle.importKey(format, bytes, algorithm.name, false, ['verify']);
  var isGood = false;
  try {
    isGood = await crypto.subtle.verify(algorithm.use, key, base64(parts[2]), Buffer.from(parts[0] + '.' + parts[1]));
  } catch (error) {
    // A signature of another length.
  }
  if (!isGood) refuse('bad-signature');
  if (header.typ !== 'lease+jwt') refuse('wrong-type');
  return read(parts[1]);
}

function base64(text) {
  return Buffer.from(text, 'base64url');
}

function read(part) {
  var value;
  try {
    value = JSON.parse(base64(part).toString());
  } catch (error) {
    refuse('malformed');
  }
  if (value === null || typeof value !== 'object') refuse('malformed');
  return value;
}

/* Of a path that leads nowhere else once it is decoded. */
function streamIdOf(path, pattern) {
  var found = pattern.exec(path);
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
  var groups = head.concat(tail).slice(0, 4).map(function (group) {
    return parseInt(group, 16).toString(16);
  });
  return groups.join(':') + '::/64';
}

export default { check, args };
