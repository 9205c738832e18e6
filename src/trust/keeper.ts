/**
 * The node's certificates as they are now. Connections are made with what is newest and keep what they were made with, so
 * that a renewal neither needs a restart nor costs a connection.
 */
import type { Identity } from './identity.ts';

type Update<T> = (update: T | null) => void;

interface CaUpdate {
  caCertificate: Buffer;
}

interface IdentityUpdate {
  certificate: Buffer;
  privateKey: Buffer;
}

/** Has the shape of gRPC's CertificateProvider, for the node's own server and its calls of peers. */
export class IdentityKeeper {
  #current: Identity;
  readonly #caListeners = new Set<Update<CaUpdate>>();
  readonly #identityListeners = new Set<Update<IdentityUpdate>>();

  constructor(identity: Identity) {
    this.#current = identity;
  }

  get current(): Identity {
    return this.#current;
  }

  replace(identity: Identity): void {
    this.#current = identity;
    for (const listener of this.#caListeners) listener(this.#ca());
    for (const listener of this.#identityListeners) listener(this.#own());
  }

  addCaCertificateListener(listener: Update<CaUpdate>): void {
    this.#caListeners.add(listener);
    // gRPC's server credentials lose what they are told while they subscribe
    queueMicrotask(() => this.#caListeners.has(listener) && listener(this.#ca()));
  }

  removeCaCertificateListener(listener: Update<CaUpdate>): void {
    this.#caListeners.delete(listener);
  }

  addIdentityCertificateListener(listener: Update<IdentityUpdate>): void {
    this.#identityListeners.add(listener);
    queueMicrotask(() => this.#identityListeners.has(listener) && listener(this.#own()));
  }

  removeIdentityCertificateListener(listener: Update<IdentityUpdate>): void {
    this.#identityListeners.delete(listener);
  }

  #ca(): CaUpdate {
    return { caCertificate: Buffer.from(this.#current.ca) };
  }

  /** The CA goes with it, so that a joining host, which knows only its pin, sees it in the handshake. */
  #own(): IdentityUpdate {
    const { cert, key, ca } = this.#current;
    return { certificate: Buffer.from(`${cert.trimEnd()}\n${ca}`), privateKey: Buffer.from(key) };
  }
}
