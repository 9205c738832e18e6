/** What a node's kernel holds, beside what its plan says it should: made without changing anything. */

/** One difference between plan and kernel. */
export interface Drift {
  /** of a tenant; '' for the host's own */
  namespace: string;
  /** as `keyOf` names it, or "table ..." for a ruleset */
  object: string;
  /** `missing`: the plan has it, the kernel does not; `unwanted`: the reverse */
  state: 'missing' | 'unwanted' | 'different';
  /** what differs */
  fields: string[];
  /** the id of the local endpoint whose port it is; '' otherwise */
  endpoint: string;
}

/** The namespace of a container, as its endpoint names it. */
export interface SandboxSight {
  /** id */
  endpoint: string;
  path: string;
  stands: boolean;
}

export interface KernelPicture {
  drift: Drift[];
  sandboxes: SandboxSight[];
  /** namespaces of tenants that should stand and do not */
  missingNamespaces: string[];
  /** namespaces in weft's folder that belong to no tenant present here */
  staleNamespaces: string[];
  /** links in the host's namespace that bear weft's mark and belong to nothing of this node */
  ownerlessLinks: string[];
  /** links of others under names that are weft's */
  foreignLinks: { namespace: string; name: string }[];
}
