/**
 * Runs a validator of clients/edge on the vectors in standard input, and prints its
 * verdicts as JSON.
 *
 *   node edge-validators.mjs cloudfront | node | lambda
 */

import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import vm from "node:vm";

import { edgeTokens, lambdaAtEdge } from "../../clients/edge/node.mjs";

const { vectors, jwks, secrets, issuer, audience, skewSeconds, address } = JSON.parse(
  readFileSync(0, "utf8"),
);
const check = edgeTokens({ keys: jwks, issuer, audience, skewSeconds });

/** Returns the fields of CloudFront's event. It joins fields with the same name. */
function fieldsOf(pairs) {
  const fields = {};
  for (const [name, value] of pairs) {
    const field = (fields[name] ??= { value });
    if (field.value !== value || field.multiValue || field.seen)
      field.multiValue = [...(field.multiValue ?? [{ value: field.value }]), { value }];
    Object.defineProperty(field, "seen", {
      value: true,
      enumerable: false,
      configurable: true,
    });
  }
  return fields;
}

/**
 * Returns the handler as CloudFront runs it: without network, files, timers or code
 * from text. Of crypto it has only HMAC and hashes.
 */
function cloudfront() {
  let source = readFileSync(
    new URL("../../clients/edge/cloudfront-function.js", import.meta.url),
    "utf8",
  );
  source = source
    .replace("KEYS = {}", `KEYS = ${JSON.stringify(secrets)}`)
    .replace("'https://streams.example.com'", JSON.stringify(issuer))
    .replace("'cdn.example.com'", JSON.stringify(audience))
    .replace("SKEW_SECONDS = 0", `SKEW_SECONDS = ${skewSeconds}`);
  const require = (name) => {
    if (name !== "crypto") throw new Error(`there is no module ${name}`);
    return Object.freeze({ createHmac });
  };
  const context = vm.createContext(Object.freeze({ require, Buffer }), {
    codeGeneration: { strings: false, wasm: false },
  });
  vm.runInContext(source, context);
  return vm.runInContext("handler", context);
}

/** Returns the verdict of an answer. `headers` is an object with lower-case names. */
function verdictOf(status, headers) {
  if (headers["cache-control"] !== "no-store") throw new Error("not marked no-store");
  if (status === 403) return `refused: ${headers["x-edge-token-refused"]}`;

  const isPermission =
    headers["access-control-allow-origin"] === "*" &&
    headers["access-control-allow-methods"] === "GET" &&
    headers["access-control-allow-headers"] === "x-edge-token";
  if (!isPermission) throw new Error("not the answer to a preflight");
  return `answered: ${status}`;
}

/** Returns the verdict on a request that reaches the origin. It contains no token. */
function asked(uri, query, headers) {
  if ("x-edge-token" in headers) throw new Error("the origin receives the token");
  return `asked: ${query ? `${uri}?${query}` : uri}`;
}

function mapValues(object, value) {
  return Object.fromEntries(
    Object.entries(object).map(([name, field]) => [name.toLowerCase(), value(field)]),
  );
}

const runs = {
  cloudfront:
    (handler = cloudfront()) =>
    ({ method, url, headers }) => {
      const [uri, query = ""] = url.split("?");
      const lower = headers.map(([name, value]) => [name.toLowerCase(), value]);
      const querystring = fieldsOf(
        query ? query.split("&").map((pair) => pair.split("=")) : [],
      );
      const answer = handler({
        viewer: { ip: address },
        request: { method, uri, querystring, headers: fieldsOf(lower) },
      });
      if (answer.statusCode) {
        const fields = mapValues(answer.headers, ({ value }) => value);
        return verdictOf(answer.statusCode, fields);
      }
      const rest = Object.entries(answer.querystring).map(
        ([name, { value }]) => `${name}=${value}`,
      );
      return asked(answer.uri, rest.join("&"), answer.headers);
    },
  node:
    () =>
    async ({ method, url, headers }) => {
      try {
        const passed = await check({ method, url, headers, address });
        return asked(passed.url, "", {});
      } catch (error) {
        return verdictOf(
          error.status,
          mapValues(error.headers, (value) => value),
        );
      }
    },
  lambda:
    (handler = lambdaAtEdge(check)) =>
    async ({ method, url, headers }) => {
      const [uri, querystring = ""] = url.split("?");
      const fields = {};
      for (const [key, value] of headers)
        (fields[key.toLowerCase()] ??= []).push({ key, value });
      const request = { method, uri, querystring, clientIp: address, headers: fields };
      const answer = await handler({ Records: [{ cf: { request } }] });
      if (answer.status) {
        const values = mapValues(answer.headers, ([{ value }]) => value);
        return verdictOf(Number(answer.status), values);
      }
      return asked(answer.uri, answer.querystring, answer.headers);
    },
};

const run = runs[process.argv[2]]();
const verdicts = {};
for (const vector of vectors) verdicts[vector.name] = await run(vector);
console.log(JSON.stringify(verdicts));
