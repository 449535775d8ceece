/// From a conversion request to an artifact and its manifest, told in events.
///
/// Start reading at [ConversionDesk]: one thread that takes requests in order. [ConversionRun] maps
/// one request to one call of the engine, [ConversionLog] is what it says and reads on the topics,
/// [ConversionRequests] is where records come in.
package dev.tokenlog.conversion;
