import { launch } from '../cli/launch.js'

launch(import('../transforms/tee.js'))
