/**
 * Verifies edge tokens in Node.js and in Lambda@Edge. It needs only node:crypto.
 *
 *   const keys = keysAt("https://streams.example.com/.well-known/jwks.json");
 *   const check = edgeTokens({ keys, issuer, audience });
 *   const { url, claims } = await check({ method, url, headers, address });
 *
 * `url` is the path and the query as they were sent. `headers` is a list of pairs of a
 * name and a value. The returned `url` does not contain the token, so that the token is
 * not part of a cache key. `check` throws `Refused`, with a `reason`.
 *
 *   // CloudFront's event "viewer request"
 *   export const handler = lambdaAtEdge(check);
 *   // an origin
 *   createServer(guarded(check, (request, response) => …));
 */

import { createHmac, createPublicKey, timingSafeEqual, verify } from "node:crypto";

const KEPT_MS = 300_000; // caches may keep the service's keys for this long
const RETRY_MS = 5_000;
const FETCH_MS = 2_000;
const TOKEN_HEADER = "x-edge-token";
const TOKEN_IN_PATH = /^\/edge-token\/([^/]+)(\/.*)$/;
const TOKEN_IN_QUERY = "edgeToken=";
const UNSAFE_SEGMENT = /^\.\.?$|[/\\]/;
const IPV4_IN_IPV6 = /^::ffff:(?=\d+\.)/i;
const IPV6_GROUPS = 8;
const NETWORK_GROUPS = 4;

export class Refused extends Error {
  constructor(reason) {
    super(`the edge token is refused: ${reason}`);
    this.reason = reason;
  }
}

/**
 * Returns a function that checks requests.
 *
 * `keys` is a JWK Set (the published keys, or `oct` keys for HMAC secrets), or a
 * function that returns one. The group of `streamId` is the streamId in a path.
 */
export function edgeTokens({
  keys,
  issuer,
  audience,
  skewSeconds = 0,
  streamId = /^\/([^/]+)\//,
}) {
  return async ({ method = "GET", url, headers, address }) => {
    // A browser sends a preflight without the token.
    if (method === "OPTIONS") return { url, claims: null };

    const { tokens, path, query } = split(url, headers);
    if (tokens.length === 0) throw new Refused("missing");
    if (tokens.length > 1) throw new Refused("two-tokens");

    const jwks = typeof keys === "function" ? await keys() : keys;
    const claims = claimsOf(tokens[0], jwks);
    const now = Date.now() / 1000;
    const isExpired = typeof claims.exp !== "number" || claims.exp + skewSeconds <= now;
    if (claims.iss !== issuer) throw new Refused("wrong-issuer");
    if (claims.aud !== audience) throw new Refused("wrong-audience");
    if (isExpired) throw new Refused("expired");
    if (claims.streamId !== streamIdOf(path, streamId)) {
      throw new Refused("wrong-stream");
    }

    const isBound = claims.network !== undefined;
    if (isBound && claims.network !== networkOf(address)) {
      throw new Refused("wrong-network");
    }
    return { url: query ? `${path}?${query}` : path, claims };
  };
}

/**
 * Returns a function that returns the keys that a service publishes.
 *
 * It reads them again after five minutes. While the service does not answer, it returns
 * the last known keys.
 */
export function keysAt(url, fetch = globalThis.fetch) {
  let known = { keys: [] };
  let readAgainAt = 0;

  return async () => {
    if (Date.now() < readAgainAt) return known;

    readAgainAt = Date.now() + RETRY_MS; // not at each request while it is silent
    try {
      const answer = await fetch(url, { signal: AbortSignal.timeout(FETCH_MS) });
      if (answer.ok) {
        known = await answer.json();
        readAgainAt = Date.now() + KEPT_MS;
      }
    } catch {
      // The known keys stay valid.
    }
    return known;
  };
}

/** Returns a handler for CloudFront's event "viewer request". */
export function lambdaAtEdge(check) {
  return async (event) => {
    const { request } = event.Records[0].cf;
    const { method, uri, querystring, clientIp: address } = request;
    const url = querystring ? `${uri}?${querystring}` : uri;
    const headers = Object.values(request.headers)
      .flat()
      .map(({ key, value }) => [key, value]);

    try {
      const passed = await check({ method, url, headers, address });
      [request.uri, request.querystring = ""] = passed.url.split("?");
      delete request.headers[TOKEN_HEADER];
      return request;
    } catch (error) {
      const reason = error.reason ?? "malformed";
      const headers = { "x-edge-token-refused": [{ value: reason }] };
      return { status: "403", headers };
    }
  };
}

/** Returns a handler of `node:http` that calls `handle` only with a valid token. */
export function guarded(check, handle) {
  return async (request, response) => {
    const { method, rawHeaders, url, socket } = request;
    const headers = pairsOf(rawHeaders);
    try {
      const address = socket.remoteAddress;
      const passed = await check({ method, url, headers, address });
      request.url = passed.url;
    } catch (error) {
      response.writeHead(403, {
        "X-Edge-Token-Refused": error.reason ?? "malformed",
        "Cache-Control": "no-store",
      });
      response.end();
      return;
    }
    handle(request, response);
  };
}

/** Returns pairs of a name and a value from Node's flat list of headers. */
function pairsOf(rawHeaders) {
  const pairs = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    pairs.push([rawHeaders[index], rawHeaders[index + 1]]);
  }
  return pairs;
}

/** Returns all tokens of a request, and its path and query without them. */
function split(url, headers) {
  const questionMark = url.indexOf("?");
  let path = questionMark < 0 ? url : url.slice(0, questionMark);
  const pairs = questionMark < 0 ? [] : url.slice(questionMark + 1).split("&");

  const tokens = headers
    .filter(([name]) => name.toLowerCase() === TOKEN_HEADER)
    .map(([, value]) => value);
  const inPath = TOKEN_IN_PATH.exec(path);
  if (inPath) {
    tokens.push(inPath[1]);
    path = inPath[2];
  }
  for (const pair of pairs) {
    if (pair.startsWith(TOKEN_IN_QUERY)) tokens.push(pair.slice(TOKEN_IN_QUERY.length));
  }

  const query = pairs.filter((pair) => !pair.startsWith(TOKEN_IN_QUERY)).join("&");
  return { tokens, path, query };
}

/** Verifies the signature and the type, and returns the claims. */
function claimsOf(token, { keys }) {
  const parts = token.split(".");
  if (parts.length !== 3) throw new Refused("malformed");

  const header = decode(parts[0]);
  const jwk = keys.find((key) => key.kid === header.kid);
  if (!jwk) throw new Refused("unknown-key");

  const signed = Buffer.from(`${parts[0]}.${parts[1]}`);
  const signature = Buffer.from(parts[2], "base64url");
  if (algorithmOf(jwk) !== header.alg) throw new Refused("wrong-algorithm");
  const hasSignature = VERIFIERS[header.alg];
  if (!hasSignature(jwk, signed, signature)) throw new Refused("bad-signature");
  if (header.typ !== "lease+jwt") throw new Refused("wrong-type");
  return decode(parts[1]);
}

/** Returns the only algorithm for which a key is accepted. */
function algorithmOf(jwk) {
  if (jwk.kty === "oct") return "HS256";
  if (jwk.kty === "EC" && jwk.crv === "P-256") return "ES256";
  if (jwk.kty === "OKP" && jwk.crv === "Ed25519") return "EdDSA";
  return null;
}

const VERIFIERS = {
  HS256(jwk, signed, signature) {
    const secret = Buffer.from(jwk.k, "base64url");
    const mac = createHmac("sha256", secret).update(signed).digest();
    return mac.length === signature.length && timingSafeEqual(mac, signature);
  },
  ES256(jwk, signed, signature) {
    const key = createPublicKey({ key: jwk, format: "jwk" });
    return verify("sha256", signed, { key, dsaEncoding: "ieee-p1363" }, signature);
  },
  EdDSA(jwk, signed, signature) {
    const key = createPublicKey({ key: jwk, format: "jwk" });
    return verify(null, signed, key, signature);
  },
};

/** Returns the object that a part of a token contains. */
function decode(part) {
  let value;
  try {
    value = JSON.parse(Buffer.from(part, "base64url").toString());
  } catch {
    throw new Refused("malformed");
  }
  if (value === null || typeof value !== "object") throw new Refused("malformed");
  return value;
}

/** Returns the streamId in a path. Refuses a path that changes when it is resolved. */
function streamIdOf(path, pattern) {
  let segments;
  try {
    segments = path.split("/").map(decodeURIComponent);
  } catch {
    throw new Refused("bad-path");
  }
  if (segments.some((segment) => UNSAFE_SEGMENT.test(segment))) {
    throw new Refused("bad-path");
  }

  const match = pattern.exec(path);
  return match && decodeURIComponent(match[1]);
}

/** Returns the network of an address: the /24 of IPv4, the /64 of IPv6. */
function networkOf(address) {
  const plain = address.replace(IPV4_IN_IPV6, "");
  if (!plain.includes(":")) return plain.replace(/\d+$/, "0/24");

  const [first, last = []] = plain
    .split("::")
    .map((half) => half.split(":").filter(Boolean));
  const zeros = Array(IPV6_GROUPS - first.length - last.length).fill("0");
  const network = [...first, ...zeros, ...last].slice(0, NETWORK_GROUPS);
  const groups = network.map((group) => parseInt(group, 16).toString(16));
  return `${groups.join(":")}::/64`;
}
