import com.fasterxml.jackson.databind.ObjectMapper;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.StreamsApi;
import org.openapitools.client.model.DryRun;
import org.openapitools.client.model.Heartbeat;
import org.openapitools.client.model.PlayerStream;
import org.openapitools.client.model.Start;
import org.openapitools.client.model.StreamLimitReached;
import org.openapitools.client.model.Token;

/** Starts to the limit, and plays on, by the generated client. Arguments: URL, user. */
public class Arc {
  private static final int LIMIT = 3;

  public static void main(String[] arguments) throws Exception {
    ApiClient client = new ApiClient();
    client.updateBaseUri(arguments[0]);
    StreamsApi streams = new StreamsApi(client);
    String user = arguments[1];

    PlayerStream first = streams.startStream(user, start("device-1"), null);
    for (int number = 2; number <= LIMIT; number++) {
      streams.startStream(user, start("device-" + number), null);
    }

    StreamLimitReached denial = denial(streams, user);
    check(denial.getLimit() == LIMIT, "the denial names the limit");
    check(denial.getStreams().size() == LIMIT, "the denial lists the streams");

    Heartbeat heartbeat = new Heartbeat().token(first.getToken());
    PlayerStream renewed = streams.renewStream(user, first.getId(), heartbeat);
    check(renewed.getEpoch().equals(first.getEpoch()), "the epoch stays");
    check(renewed.getEpoch() > Integer.MAX_VALUE, "the epoch has 64 bits");

    Token token = new Token().token(renewed.getToken());
    streams.stopStream(user, renewed.getId(), token);

    DryRun dryRun = streams.checkStart(user, start("device-4"), null);
    check(dryRun.getEnded().isEmpty(), "the dry run ends no stream");

    PlayerStream last = streams.startStream(user, start("device-4"), null);
    check(last.getStreamId().equals("film"), "the answer of a start is a stream");
  }

  private static Start start(String device) {
    return new Start().streamId("film").deviceId(device);
  }

  private static StreamLimitReached denial(StreamsApi streams, String user)
      throws Exception {
    try {
      streams.startStream(user, start("one-too-many"), null);
    } catch (ApiException exception) {
      check(exception.getCode() == 409, "the status of a denial is 409");
      ObjectMapper mapper = ApiClient.createDefaultObjectMapper();
      return mapper.readValue(exception.getResponseBody(), StreamLimitReached.class);
    }
    throw new AssertionError("the start over the limit was admitted");
  }

  private static void check(boolean holds, String expectation) {
    if (!holds) {
      throw new AssertionError(expectation);
    }
  }
}
