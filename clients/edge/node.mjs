/**
 * Checks edge tokens in Node.js and in Lambda@Edge, with nothing but node:crypto.
 *
 *   const check = edgeTokens({ keys: keysAt("https://streams.example.com/.well-known/jwks.json"), issuer, audience });
 *   const { url, claims } = await check({ method, url, headers, address });   // throws Refused, with its `reason`
 *
 * `url` is the path and query as they came, `headers` pairs of a name and a value. What comes back has no token in it, so that
 * it is in no cache key.
 *
 *   export const handler = lambdaAtEdge(check);                       // CloudFront's event "viewer request"
 *   createServer(guarded(check, (request, response) => …));           // an origin
 */

import { createHmac, createPublicKey, timingSafeEqual, verify } from "node:crypto";

const KEPT_MS = 300_000; // as long as the service lets caches keep its keys
const RETRY_MS = 5_000;
const FETCH_MS = 2_000;

export class Refused extends Error {
  constructor(reason) {
    super(`the edge token is refused: ${reason}`);
    this.reason = reason;
  }
}

/** A check with the keys of a JWK Set (`oct` for HMAC secrets, or what the service publishes), or of a function that gives one. */
export function edgeTokens({ keys, issuer, audience, skewSeconds = 0, streamId = /^\/([^/]+)\// }) {
  return async ({ method = "GET", url, headers, address }) => {
    if (method === "OPTIONS") return { url, claims: null }; // a browser asks for leave before it sends the token
    const tokens = headers.filter(([name]) => name.toLowerCase() === "x-edge-token").map(([, value]) => value);
    const { path, query } = split(url, tokens);
    if (tokens.length !== 1) throw new Refused(tokens.length ? "two-tokens" : "missing");
    const claims = verified(tokens[0], typeof keys === "function" ? await keys() : keys);
    if (claims.iss !== issuer) throw new Refused("wrong-issuer");
    if (claims.aud !== audience) throw new Refused("wrong-audience");
    if (typeof claims.exp !== "number" || claims.exp + skewSeconds <= Date.now() / 1000) throw new Refused("expired");
    if (claims.streamId !== streamIdOf(path, streamId)) throw new Refused("wrong-stream");
    if (claims.network !== undefined && claims.network !== networkOf(address)) throw new Refused("wrong-network");
    return { url: query ? `${path}?${query}` : path, claims };
  };
}

/** The keys that a service publishes, read again after five minutes. While it does not answer, those that are known. */
export function keysAt(url, fetch = globalThis.fetch) {
  let known = { keys: [] };
  let due = 0;
  return async () => {
    if (Date.now() >= due) {
      due = Date.now() + RETRY_MS; // who does not answer is not asked at each request
      try {
        const answer = await fetch(url, { signal: AbortSignal.timeout(FETCH_MS) });
        if (answer.ok) {
          known = await answer.json();
          due = Date.now() + KEPT_MS;
        }
      } catch {
        // Those that are known are good for as long as it takes.
      }
    }
    return known;
  };
}

/** A handler for CloudFront's event "viewer request". */
export function lambdaAtEdge(check) {
  return async (event) => {
    const { request } = event.Records[0].cf;
    const headers = Object.values(request.headers).flatMap((same) => same.map(({ key, value }) => [key, value]));
    const url = request.querystring ? `${request.uri}?${request.querystring}` : request.uri;
    try {
      const passed = await check({ method: request.method, url, headers, address: request.clientIp });
      [request.uri, request.querystring = ""] = passed.url.split("?");
      delete request.headers["x-edge-token"];
      return request;
    } catch (error) {
      return { status: "403", headers: { "x-edge-token-refused": [{ value: error.reason ?? "malformed" }] } };
    }
  };
}

/** A handler of `node:http` that is asked only where a token allows it. */
export function guarded(check, handle) {
  return async (request, response) => {
    const { method, rawHeaders, url, socket } = request;
    const headers = rawHeaders.flatMap((name, at) => (at % 2 ? [] : [[name, rawHeaders[at + 1]]]));
    try {
      request.url = (await check({ method, url, headers, address: socket.remoteAddress })).url;
    } catch (error) {
      response.writeHead(403, { "X-Edge-Token-Refused": error.reason ?? "malformed", "Cache-Control": "no-store" }).end();
      return;
    }
    handle(request, response);
  };
}

/** Path and query without tokens, which go to `tokens`. */
function split(url, tokens) {
  const at = url.indexOf("?");
  let path = at < 0 ? url : url.slice(0, at);
  const inPath = /^\/edge-token\/([^/]+)(\/.*)$/.exec(path);
  if (inPath) {
    tokens.push(inPath[1]);
    path = inPath[2];
  }
  const query = (at < 0 ? "" : url.slice(at + 1)).split("&").filter((pair) => {
    const isToken = pair.startsWith("edgeToken=");
    if (isToken) tokens.push(pair.slice("edgeToken=".length));
    return !isToken;
  });
  return { path, query: query.join("&") };
}

function verified(token, { keys }) {
  const parts = token.split(".");
  if (parts.length !== 3) throw new Refused("malformed");
  const header = read(parts[0]);
  const jwk = keys.find((key) => key.kid === header.kid);
  if (!jwk) throw new Refused("unknown-key");
  const signed = Buffer.from(`${parts[0]}.${parts[1]}`);
  const signature = Buffer.from(parts[2], "base64url");
  let isGood;
  if (jwk.kty === "oct" && header.alg === "HS256") {
    const mac = createHmac("sha256", Buffer.from(jwk.k, "base64url")).update(signed).digest();
    isGood = mac.length === signature.length && timingSafeEqual(mac, signature);
  } else if (jwk.kty === "EC" && jwk.crv === "P-256" && header.alg === "ES256") {
    const key = createPublicKey({ key: jwk, format: "jwk" });
    isGood = verify("sha256", signed, { key, dsaEncoding: "ieee-p1363" }, signature);
  } else if (jwk.kty === "OKP" && jwk.crv === "Ed25519" && header.alg === "EdDSA") {
    isGood = verify(null, signed, createPublicKey({ key: jwk, format: "jwk" }), signature);
  } else {
    throw new Refused("wrong-algorithm");
  }
  if (!isGood) throw new Refused("bad-signature");
  if (header.typ !== "lease+jwt") throw new Refused("wrong-type");
  return read(parts[1]);
}

function read(part) {
  let value;
  try {
    value = JSON.parse(Buffer.from(part, "base64url").toString());
  } catch {
    throw new Refused("malformed");
  }
  if (value === null || typeof value !== "object") throw new Refused("malformed");
  return value;
}

/** Of a path that leads nowhere else once it is decoded. */
function streamIdOf(path, pattern) {
  let segments;
  try {
    segments = path.split("/").map(decodeURIComponent);
  } catch {
    throw new Refused("bad-path");
  }
  if (segments.some((segment) => /^\.\.?$|[/\\]/.test(segment))) throw new Refused("bad-path");
  const found = pattern.exec(path);
  return found && decodeURIComponent(found[1]);
}

/** The network that an address belongs to: an IPv4 address's /24, an IPv6 address's /64. */
function networkOf(address) {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "");
  if (!plain.includes(":")) return plain.replace(/\d+$/, "0/24");
  const [head, tail = []] = plain.split("::").map((half) => half.split(":").filter(Boolean));
  const groups = [...head, ...Array(8 - head.length - tail.length).fill("0"), ...tail].slice(0, 4);
  return `${groups.map((group) => parseInt(group, 16).toString(16)).join(":")}::/64`;
}
