/** The words of run names. Ninety of each: eight thousand names. */

const words = (text: string): readonly string[] => text.trim().split(/\s+/)

export const ADJECTIVES: readonly string[] = words(`
  able agile amber ample ancient arctic azure bold brave breezy bright brisk burrowing calm careful cheerful chestnut
  chirpy clever coral cosmic cozy crimson curious daring dashing dazzling eager earnest elated electric elegant fair
  famous fancy fearless fluffy gentle gigantic glad golden graceful great happy hidden honest humble imposing
  inquisitive jolly keen kind lively loyal lucky lunar mellow merry mighty mindful nimble noble noisy ochre olive
  patient placid polite proud quick quiet radiant rapid rosy rugged sage scarlet serene silent silver smart snappy
  solid spotless stalwart steady sunny swift taupe tidy tranquil vivid warm wise witty zealous`)

export const ANIMALS: readonly string[] = words(`
  aardvark albatross alpaca antelope armadillo badger barracuda bat bear beaver bee bison boar buffalo butterfly
  caiman camel capybara caribou cassowary cat chameleon cheetah chinchilla cobra cockatoo condor cormorant cougar
  coyote crane cricket crocodile crow deer dingo dolphin donkey dove dragonfly eagle echidna eel egret elephant elk
  falcon ferret finch flamingo fox frog gazelle gecko gibbon giraffe goat goose gorilla grasshopper grouse hare hawk
  hedgehog heron hippo hornet ibex ibis iguana jackal jackdaw jaguar kestrel kiwi koala lemur leopard lion lizard
  llama lobster loon lynx macaw magpie mandrill manatee marmot marten meerkat mole mongoose moose mule narwhal newt
  nightingale ocelot octopus orca oriole oryx osprey otter owl panda panther parrot peacock pelican penguin pigeon
  platypus pony porcupine puffin puma quail rabbit raccoon raven rhino robin salmon seal shrew snake sparrow squid
  stork swan tapir tiger toucan turtle walrus weasel wombat woodpecker yak zebra`)
