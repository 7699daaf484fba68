/**
 * Verifies edge tokens in Node.js and in Lambda@Edge. It needs only node:crypto.
 *
 *   const keys = keysAt("https://streams.example.com/.well-known/jwks.json");
 *   const check = edgeTokens({ keys, issuer, audience });
 *   const { url, claims } = await check({ method, url, headers, address });
 *
 * `url` is the path and the query as they were sent. `headers` is a list of pairs of a
 * name and a value. The returned `url` does not contain the token, so that the token is
 * not part of a cache key. `check` throws `Refused`, with a `reason`, or `Preflight`.
 * Both have the `status` and the `headers` of the answer.
 *
 *   // CloudFront's event "viewer request"
 *   export const handler = lambdaAtEdge(check);
 *   // an origin
 *   const server = createServer(guarded(check, (request, response) => …));
 *   server.on("upgrade", guardedUpgrade(check, (request, socket, head) => …));
 */

import { createHmac, createPublicKey, timingSafeEqual, verify } from "node:crypto";

const KEPT_MS = 300_000; // caches may keep the service's keys for this long
const RETRY_MS = 5_000;
const FETCH_MS = 2_000;
const MAX_KEYS_BYTES = 65_536;
const MAX_TOKEN_LENGTH = 4096;
const TOKEN_HEADER = "x-edge-token";
const TOKEN_IN_PATH = /^\/edge-token\/([^/]+)(\/.*)$/;
const TOKEN_IN_QUERY = /^edgeToken(=|$)/;
const HEADER_VALUE = /^[\x20-\x7e]*$/;
const NOT_PRINTABLE = /[^\x21-\x7e]/;
// Servers resolve, decode again or cut off these characters in different ways.
// eslint-disable-next-line no-control-regex
const UNSAFE_SEGMENT = /[\x00-\x1f\x7f/\\?#%;\ufffd]|[. ]$/;
const IPV4 = /^(\d+\.\d+\.\d+)\.\d+$/;
const IPV4_IN_IPV6 = /^::ffff:(?=\d+\.)/i;
const IPV6_GROUPS = 8;
const NETWORK_GROUPS = 4;

/** The answer to a request without a valid token. `reason` names the fault. */
export class Refused extends Error {
  constructor(reason) {
    super(`the edge token is refused: ${reason}`);
    this.reason = reason;
    this.status = 403;
    this.headers = { "X-Edge-Token-Refused": reason, "Cache-Control": "no-store" };
  }
}

/** The answer to a browser that asks for permission. It sends no token then. */
export class Preflight extends Error {
  constructor(method, headers = "X-Edge-Token") {
    super("a preflight is answered without the application");
    const isPlain = HEADER_VALUE.test(method) && HEADER_VALUE.test(headers);
    this.status = 204;
    this.headers = {
      "Access-Control-Allow-Origin": "*",
      "Access-Control-Allow-Methods": isPlain ? method : "GET",
      "Access-Control-Allow-Headers": isPlain ? headers : "X-Edge-Token",
      "Access-Control-Max-Age": "7200",
      "Cache-Control": "no-store",
    };
  }
}

/**
 * Returns a function that checks requests.
 *
 * `keys` is a JWK Set (the published keys, or `oct` keys for HMAC secrets), or a
 * function that returns one. `issuer` is one issuer or a list of them. The group of
 * `streamId` is the streamId in a decoded path.
 */
export function edgeTokens({
  keys,
  issuer,
  audience,
  skewSeconds = 0,
  streamId = /^\/([^/]+)\//,
}) {
  const expected = { issuer, audience, skewSeconds };
  const pattern = new RegExp(streamId.source, streamId.flags.replace(/[gy]/g, ""));

  return async ({ method = "GET", url, headers, address }) => {
    const preflight = preflightOf(method, headers);
    if (preflight) throw preflight;

    const { tokens, path, query } = split(url, headers);
    if (tokens.length === 0) throw new Refused("missing");
    if (tokens.length > 1) throw new Refused("two-tokens");

    const jwks = typeof keys === "function" ? await keys() : keys;
    const claims = claimsOf(tokens[0], jwks);
    checkClaims(claims, expected);

    const inPath = pattern.exec(decodedPath(path))?.[1];
    if (!inPath || claims.streamId !== inPath) throw new Refused("wrong-stream");

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
 * It reads them again after five minutes, within two seconds. While the service gives
 * no usable answer, it returns the last known keys.
 */
export function keysAt(url, fetch = globalThis.fetch) {
  let known = { keys: [] };
  let readAgainAt = 0;
  let reading = null;

  async function read() {
    const keys = usableKeys(await download(url, fetch).catch(() => null));
    // The known keys stay valid. A silent service is not asked at each request.
    const waitMs = keys.length ? KEPT_MS : RETRY_MS;
    if (keys.length) known = { keys };
    readAgainAt = performance.now() + waitMs;
    reading = null;
  }

  return async () => {
    const isDue = reading === null && performance.now() >= readAgainAt;
    if (isDue) reading = read();
    // Without keys, every request waits for those that are being read.
    if (isDue || known.keys.length === 0) await reading;
    return known;
  };
}

/** Returns the content of a JSON document. Throws after any fault, and after 2 s. */
async function download(url, fetch) {
  const signal = AbortSignal.timeout(FETCH_MS);
  const isLate = new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  return Promise.race([isLate, downloadUntil(signal, url, fetch)]);
}

async function downloadUntil(signal, url, fetch) {
  const answer = await fetch(url, { signal, redirect: "error" });
  if (!answer.ok) throw new Error(`the service answers ${answer.status}`);

  const chunks = [];
  let bytes = 0;
  for await (const chunk of answer.body) {
    bytes += chunk.length;
    if (bytes > MAX_KEYS_BYTES) throw new Error("the keys are too large");
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString());
}

/** Returns the keys of a JWK Set that can verify a token. */
function usableKeys(jwks) {
  return Array.isArray(jwks?.keys) ? jwks.keys.filter(isUsable) : [];
}

function isUsable(jwk) {
  try {
    const isSecret = jwk.kty === "oct";
    if (!isSecret) createPublicKey({ key: jwk, format: "jwk" });
    return typeof jwk.kid === "string" && algorithmOf(jwk) !== null;
  } catch {
    return false;
  }
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
      const { status, headers } = answerTo(error);
      const fields = Object.entries(headers).map(([key, value]) => [
        key.toLowerCase(),
        [{ key, value }],
      ]);
      return { status: String(status), headers: Object.fromEntries(fields) };
    }
  };
}

/** Returns a handler of `node:http` that calls `handle` only with a valid token. */
export function guarded(check, handle) {
  return async (request, response) => {
    try {
      request.url = await checkedUrl(check, request);
    } catch (error) {
      const { status, headers } = answerTo(error);
      response.writeHead(status, headers);
      response.end();
      return;
    }
    handle(request, response);
  };
}

/** Returns a handler of the event "upgrade" (websockets), as `guarded` does. */
export function guardedUpgrade(check, handle) {
  return async (request, socket, head) => {
    try {
      request.url = await checkedUrl(check, request);
    } catch (error) {
      const { headers } = error instanceof Refused ? error : new Refused("malformed");
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
      socket.end(["HTTP/1.1 403 Forbidden", ...lines, "", ""].join("\r\n"));
      return;
    }
    handle(request, socket, head);
  };
}

async function checkedUrl(check, { method, rawHeaders, url, socket }) {
  const headers = pairsOf(rawHeaders);
  const passed = await check({ method, url, headers, address: socket.remoteAddress });
  return passed.url;
}

function answerTo(error) {
  return error.status && error.headers ? error : new Refused("malformed");
}

/** Returns pairs of a name and a value from Node's flat list of headers. */
function pairsOf(rawHeaders) {
  const pairs = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    pairs.push([rawHeaders[index], rawHeaders[index + 1]]);
  }
  return pairs;
}

/** Returns all values of a header. */
function valuesOf(headers, wanted) {
  return headers
    .filter(([name]) => name.toLowerCase() === wanted)
    .map(([, value]) => value);
}

/** Returns the answer to a preflight, or null for another request. */
function preflightOf(method, headers) {
  const [origin] = valuesOf(headers, "origin");
  const [requested] = valuesOf(headers, "access-control-request-method");
  if (method !== "OPTIONS" || !origin || !requested) return null;

  const [fields] = valuesOf(headers, "access-control-request-headers");
  return new Preflight(requested, fields);
}

/** Returns all tokens of a request, and its path and query without them. */
function split(url, headers) {
  const questionMark = url.indexOf("?");
  let path = questionMark < 0 ? url : url.slice(0, questionMark);
  const pairs = questionMark < 0 ? [] : url.slice(questionMark + 1).split("&");

  const tokens = valuesOf(headers, TOKEN_HEADER).join(",").split(",");
  const inPath = TOKEN_IN_PATH.exec(path);
  if (inPath) {
    tokens.push(inPath[1]);
    path = inPath[2];
  }
  const inQuery = pairs.filter((pair) => TOKEN_IN_QUERY.test(pair));
  tokens.push(...inQuery.map((pair) => pair.slice("edgeToken=".length)));

  const query = pairs.filter((pair) => !TOKEN_IN_QUERY.test(pair)).join("&");
  return { tokens: tokens.filter(Boolean), path, query };
}

/** Verifies the signature and the type, and returns the claims. */
function claimsOf(token, { keys }) {
  const parts = token.split(".");
  const hasSize = parts.length === 3 && token.length <= MAX_TOKEN_LENGTH;
  if (!hasSize || !isCanonical(parts[2], "hex")) throw new Refused("malformed");

  const header = decode(parts[0]);
  // Extensions are not supported: a critical one is an error (RFC 7515, RFC 7797).
  if ("crit" in header || "b64" in header) throw new Refused("malformed");
  const jwk = keys.find(({ kid }) => typeof kid === "string" && kid === header.kid);
  if (!jwk) throw new Refused("unknown-key");

  const signed = Buffer.from(`${parts[0]}.${parts[1]}`);
  const signature = Buffer.from(parts[2], "base64url");
  if (algorithmOf(jwk) !== header.alg) throw new Refused("wrong-algorithm");
  const hasSignature = VERIFIERS[header.alg];
  if (!hasSignature(jwk, signed, signature)) throw new Refused("bad-signature");
  if (header.typ !== "lease+jwt") throw new Refused("wrong-type");
  return decode(parts[1]);
}

/** Verifies the claims that do not depend on the request (RFC 7519). */
function checkClaims(claims, { issuer, audience, skewSeconds }) {
  const { exp, nbf = 0 } = claims;
  if (!Number.isFinite(exp) || !Number.isFinite(nbf)) throw new Refused("malformed");

  const now = Date.now() / 1000;
  const audiences = [claims.aud].flat();
  if (![issuer].flat().includes(claims.iss)) throw new Refused("wrong-issuer");
  if (!audiences.includes(audience)) throw new Refused("wrong-audience");
  if (exp + skewSeconds <= now) throw new Refused("expired");
  if (nbf - skewSeconds > now) throw new Refused("not-yet-valid");
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
  if (!isCanonical(part, "utf8")) throw new Refused("malformed");
  let value;
  try {
    value = JSON.parse(Buffer.from(part, "base64url").toString());
  } catch {
    throw new Refused("malformed");
  }
  const isObject = value !== null && typeof value === "object" && !Array.isArray(value);
  if (!isObject) throw new Refused("malformed");
  return value;
}

/**
 * Returns whether a text is base64url as RFC 7515 writes it: without padding, other
 * characters, or bits that do not count.
 */
function isCanonical(text, encoding) {
  const content = Buffer.from(text, "base64url").toString(encoding);
  return Buffer.from(content, encoding).toString("base64url") === text;
}

/**
 * Returns a path as every server decodes it. Refuses a path that servers could read in
 * different ways.
 */
function decodedPath(path) {
  if (path[0] !== "/" || NOT_PRINTABLE.test(path)) throw new Refused("bad-path");

  const segments = path.slice(1).split("/").map(decodedSegment);
  const hasEmptySegment = segments.slice(0, -1).includes("");
  // A server behind this one could take the prefix for that of a token.
  const hasPrefix = segments[0].toLowerCase() === "edge-token";
  if (hasEmptySegment || hasPrefix) throw new Refused("bad-path");
  return `/${segments.join("/")}`;
}

function decodedSegment(text) {
  let segment;
  try {
    segment = decodeURIComponent(text);
  } catch {
    throw new Refused("bad-path");
  }
  if (UNSAFE_SEGMENT.test(segment)) throw new Refused("bad-path");
  return segment;
}

/**
 * Returns the network of an address: the /24 of IPv4, the /64 of IPv6. Refuses a text
 * that is not an address.
 */
function networkOf(address) {
  const plain = String(address).replace(IPV4_IN_IPV6, "");
  const isIPv4 = IPV4.exec(plain);
  if (isIPv4) return `${isIPv4[1]}.0/24`;

  const [first, last = []] = plain
    .split("::")
    .map((half) => half.split(":").filter(Boolean));
  const zeros = Math.max(0, IPV6_GROUPS - first.length - last.length);
  const groups = [...first, ...Array(zeros).fill("0"), ...last];
  const network = groups.slice(0, NETWORK_GROUPS).map((group) => parseInt(group, 16));
  if (!plain.includes(":") || network.some(Number.isNaN)) {
    throw new Refused("wrong-network");
  }
  return `${network.map((number) => number.toString(16)).join(":")}::/64`;
}
