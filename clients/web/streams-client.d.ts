/** A stream. Instants are RFC 3339. Each also has a relative value, in seconds. */
export interface Stream {
  id: string;
  userId: string;
  streamId: string;
  deviceId: string | null;
  deviceName: string | null;
  deviceType: string | null;
  title: string | null;
  metadata: Record<string, string | number | boolean>;
  startedAt: string;
  expiresAt: string;
  leaseSeconds: number;
  heartbeatSeconds: number;
  state: "playing" | "paused";
  pausedAt: string | null;
  /** Increases each time the slot changes hands. */
  epoch: number;
}

/** A stream of this player, with the opaque token for its heartbeats and its stop. */
export interface OwnStream extends Stream {
  token: string;
  /**
   * Whether it plays although the service's store is down. Afterwards the service may
   * end it, with the reason `over-limit`.
   */
  isGrace: boolean;
  /**
   * The token for the CDN and the licence server, if the service issues edge tokens.
   * Always use the newest: `client.stream.edgeToken`.
   */
  edgeToken?: string;
}

export interface StartRequest {
  /** The content that is watched. */
  streamId: string;
  /** A device that starts again keeps its slot. */
  deviceId?: string;
  deviceName?: string;
  deviceType?: string;
  title?: string;
  /** Attributes of your own, which the rules of a plan can examine. */
  metadata?: Record<string, string | number | boolean>;
  /**
   * Streams to end in the same write: any playback with an id, or exactly the playback
   * that the viewer saw.
   */
  replace?: (string | Pick<Stream, "id" | "epoch">)[];
}

export type Reason =
  | "stopped"
  | "evicted"
  | "replaced"
  | "taken-over"
  | "expired"
  | "suspended"
  | "over-limit";

/**
 * A problem of the service (RFC 9457), or `type: "network-error"` when the service did not
 * answer or a proxy answered in its place.
 */
export interface Problem {
  type: string;
  title?: string;
  status?: number;
  detail?: string | null;
  errors?: Record<string, unknown>;
  limit?: number;
  plan?: string;
  /** The plan's rule that refused, unless it was the limit. `message` is for the viewer. */
  rule?: { name: string; message: string | null };
  streams?: Stream[];
  reason?: Reason;
  endedAt?: string;
  endedBy?: string | null;
}

/** The client's listeners. Their errors are reported and have no effect on the client. */
export interface Listeners {
  admitted?(stream: OwnStream): unknown;
  denied?(holders: Stream[], problem: Problem): unknown;
  /**
   * `reason` is a `Reason` or the problem's type. `problem` is null if this player
   * stopped the stream.
   */
  ended?(reason: Reason | (string & {}), problem: Problem | null): unknown;
  offline?(problem: Problem): unknown;
  online?(): unknown;
  grace?(isGrace: boolean): unknown;
  failed?(problem: Problem): unknown;
}

export interface Options {
  /** The service's address, with a stage if it has one: `https://streams.example.com`. */
  url: string;
  /** By default, the user of the bearer token (`/me`). */
  userId?: string;
  on?: Listeners;
  /** Called for each request, so that it can renew a credential. */
  headers?: () => Record<string, string> | Promise<Record<string, string>>;
  fetch?: typeof fetch;
  /**
   * A worker that runs streams-timer.js, for heartbeats in a hidden, silent tab. Clients
   * can share one.
   */
  worker?: Pick<Worker, "postMessage" | "addEventListener">;
}

export class StreamClient {
  constructor(options: Options);
  get stream(): OwnStream | null;
  /**
   * Resolves to true when the stream is admitted. False means that it was denied, that it
   * failed, or that the player was stopped or started again.
   */
  start(request: StartRequest): Promise<boolean>;
  /** Reports a pause. The plan says how long the slot is kept until it is `expired`. */
  pause(): void;
  resume(): void;
  /** Frees the slot. A start that is in progress frees its slot when it is answered. */
  stop(): Promise<void>;
}
