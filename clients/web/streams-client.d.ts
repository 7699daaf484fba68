/** A stream as the service tells it. Instants are RFC 3339; everything absolute also comes relative, in seconds. */
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
  /** Grows each time the slot changes hands. */
  epoch: number;
}

/** A stream as its own player is told it: with the token that its heartbeats and its stop need. It says nothing. */
export interface OwnStream extends Stream {
  token: string;
  /** It plays although the service's store is down: afterwards it is judged, and may be told `over-limit`. */
  isGrace: boolean;
  /** For whoever serves what plays, where edge tokens are turned on. Always take the newest: `client.stream.edgeToken`. */
  edgeToken?: string;
}

export interface StartRequest {
  /** What is watched. */
  streamId: string;
  /** The same device starting again keeps its slot. */
  deviceId?: string;
  deviceName?: string;
  deviceType?: string;
  title?: string;
  /** Facts of your own, which the rules of a plan may look at. */
  metadata?: Record<string, string | number | boolean>;
  /** Streams to end for this one, in the same write: whoever holds the id, or exactly the playback that was seen. */
  replace?: (string | Pick<Stream, "id" | "epoch">)[];
}

export type Reason = "stopped" | "evicted" | "replaced" | "taken-over" | "expired" | "suspended" | "over-limit";

/** RFC 9457, or `type: "network-error"` where the service did not answer: nobody did, or what stands in front of it. */
export interface Problem {
  type: string;
  title?: string;
  status?: number;
  detail?: string | null;
  errors?: Record<string, unknown>;
  limit?: number;
  plan?: string;
  /** The rule of the plan that refused, where it was not the limit. `message` is for the viewer. */
  rule?: { name: string; message: string | null };
  streams?: Stream[];
  reason?: Reason;
  endedAt?: string;
  endedBy?: string | null;
}

/** What a listener throws is reported, and does the client no harm. */
export interface Listeners {
  admitted?(stream: OwnStream): unknown;
  denied?(holders: Stream[], problem: Problem): unknown;
  /** `reason` is a `Reason`, or the problem's type. `problem` is null when this player stopped it. */
  ended?(reason: Reason | (string & {}), problem: Problem | null): unknown;
  offline?(problem: Problem): unknown;
  online?(): unknown;
  grace?(isGrace: boolean): unknown;
  failed?(problem: Problem): unknown;
}

export interface Options {
  /** Of the service, with the stage where there is one: `https://streams.example.com`. */
  url: string;
  /** Without it, the user of the bearer token (`/me`). */
  userId?: string;
  on?: Listeners;
  /** Asked for each request, so that a credential may be renewed. */
  headers?: () => Record<string, string> | Promise<Record<string, string>>;
  fetch?: typeof fetch;
  /** Made of streams-timer.js: heartbeats go on in a hidden, silent tab. Clients may share one. */
  worker?: Pick<Worker, "postMessage" | "addEventListener">;
}

export class StreamClient {
  constructor(options: Options);
  get stream(): OwnStream | null;
  /** Whether it may play. False also when it was stopped, or started anew, before the answer came. */
  start(request: StartRequest): Promise<boolean>;
  /** The slot is kept for as long as the plan lets it, and then ended: `expired`. */
  pause(): void;
  resume(): void;
  /** What a start on its way takes is freed as soon as it is answered. */
  stop(): Promise<void>;
}
