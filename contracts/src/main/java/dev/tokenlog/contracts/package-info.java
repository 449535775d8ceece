/// What the processes say to each other: the one place for events, topics and the rules by which
/// the log is read.
///
/// Start reading at [dev.tokenlog.contracts.Topic], which says what stands where, then at the
/// sealed interface of a topic, for instance [dev.tokenlog.contracts.TokenEvent], whose records are
/// the events, then at [dev.tokenlog.contracts.GenerationLog], the rules of the reader.
///
/// To add an event:
///
/// 1. a record in its topic's sealed interface, and its line in that interface's `JsonSubTypes`;
///    mark with [dev.tokenlog.contracts.Required] what nobody can do without;
/// 2. its schema and the AsyncAPI file: `./mvnw -pl contracts test -Dtest=ContractFilesTest
///    -Dtokenlog.regenerate=true`;
/// 3. a sample that shows every field, in `src/main/resources/dev/tokenlog/contracts/sample`, which
///    is never changed again.
///
/// To add a field: a component that may be missing (`null`), at the end of its record or where it
/// reads best, then step 2. The frozen sample of an event that gains a field is kept beside a
/// second one, `Type.v1.2.json`, which shows all fields. A field is never renamed, retyped or
/// reused; what breaks readers is a new topic.
package dev.tokenlog.contracts;
