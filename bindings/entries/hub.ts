/** `kvasm/hub`: the models that `load` keeps by their names on a hub, downloaded, listed, compared, removed. */
export { models, persist, prune, pull, remove, storage, verify } from "../hub/manage.ts";
export type { PruneOptions, Pruned, Pulled, Storage, StoreOptions, Verified, VerifyStoredOptions } from "../hub/manage.ts";
export type { HubCall, HubOptions } from "../hub/settings.ts";
export type { Digest, HubFile, StoredCommit, StoredFile, StoredModel } from "../hub/store.ts";
