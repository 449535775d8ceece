/// Models of the Hugging Face hub: downloaded once, checked by the digests that the hub states, and
/// kept in the cache folder that the hub's own client uses.
///
/// Start reading at [Hub]. [HubApi] asks what there is, [HubFiles] chooses from it, [BlobDownload]
/// brings one file, [HubCache] knows the folder, [HubTransport] is HTTP with redirects, patience
/// and the rule who gets the token.
package dev.tokenlog.artifactstore.hub;
