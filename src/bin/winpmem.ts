import { launch } from '../cli/launch.js'

launch(import('../imager.js').then(({ imager }) => imager('winpmem')))
