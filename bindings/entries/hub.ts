/** `kvasm/hub`: the models that `load` keeps by their names on a hub, downloaded, listed, compared, removed. */
export { pull } from "../convert/keep.ts";
export type { PullOptions } from "../convert/keep.ts";
export { models, persist, prune, remove, storage, verify } from "../hub/manage.ts";
export type { PruneOptions, Pruned, Pulled, Storage, StoreOptions, Verified, VerifyStoredOptions } from "../hub/manage.ts";
export type { HubCall, HubOptions } from "../hub/settings.ts";
export type { Digest, HubFile, StoredCommit, StoredFile, StoredModel } from "../hub/store.ts";
